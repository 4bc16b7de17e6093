import type { ErrorCode } from "../errors.ts";
import type { NextAction } from "../NextAction.ts";

/** Kinds of refusals by a node or on the way to it. */
export type NodeErrorKind =
  | "insufficient-funds"
  | "underpriced"
  | "already-known"
  | "nonce-too-low"
  | "nonce-too-high"
  | "pool-full"
  | "exceeds-gas-limit"
  | "fee-cap-exceeded"
  | "rate-limited"
  | "range-too-large"
  | "header-not-found"
  | "pruned"
  | "not-json"
  | "too-long"
  | "wrong-protocol"
  | "certificate"
  | "unreachable"
  | "unavailable"
  | "silent"
  | "unauthorized"
  | "method-unsupported";

/** How a kind of refusal is explained to users. */
export interface Meaning {
  readonly code: ErrorCode;
  /** Whether the same request may succeed later without any change. */
  readonly isTransient: boolean;
  /** @param where " at <origin>" if the endpoint is known, else "" */
  readonly message: (where: string) => string;
  readonly hint: string;
  readonly next?: NextAction;
}

const AGAIN = "Try again in a moment.";

export const MEANINGS: Readonly<Record<NodeErrorKind, Meaning>> = {
  "insufficient-funds": {
    code: "insufficient-funds",
    isTransient: false,
    message: () => "The wallet holds too little OG for the amount and the gas of this transaction.",
    hint: "Send OG to the wallet, or use a smaller amount.",
  },
  underpriced: {
    code: "declined",
    isTransient: false,
    message: () => "The node refuses the transaction: its gas price is too low.",
    hint: "Try again; if it is refused again, offer a higher gas price.",
    next: { parameter: "gasPrice" },
  },
  "already-known": {
    code: "network",
    isTransient: true,
    message: () => "The node already has this transaction.",
    hint: "Wait until it is in a block; do not send it again.",
  },
  "nonce-too-low": {
    code: "unexpected",
    isTransient: false,
    message: () => "Another transaction of this wallet came first.",
    hint: "Wait until it is in a block and try again.",
  },
  "nonce-too-high": {
    code: "network",
    isTransient: true,
    message: () => "The node has not seen an earlier transaction of this wallet yet.",
    hint: "Wait until the earlier ones are in blocks and try again.",
  },
  "pool-full": {
    code: "network",
    isTransient: true,
    message: () => "The node's transaction pool is full.",
    hint: "Try again in a moment, or offer a higher gas price.",
    next: { parameter: "gasPrice" },
  },
  "exceeds-gas-limit": {
    code: "declined",
    isTransient: false,
    message: () => "The node refuses the transaction because of the amount of gas that it needs.",
    hint: "Check the endpoint: every call of these contracts is within the chain's gas limit.",
    next: { setting: "chain" },
  },
  "fee-cap-exceeded": {
    code: "declined",
    isTransient: false,
    message: () => "The node refuses the transaction: its fee is above what the node allows.",
    hint: "Offer a lower gas price.",
    next: { parameter: "gasPrice" },
  },
  "rate-limited": {
    code: "network",
    isTransient: true,
    message: (where) => `The chain's node${where} gets too many requests and asks to slow down.`,
    hint: "Wait a minute, or use another endpoint.",
    next: { setting: "rpcUrl" },
  },
  "range-too-large": {
    code: "network",
    isTransient: false,
    message: (where) => `The chain's node${where} refuses to search this many blocks at a time.`,
    hint: "Use another endpoint.",
    next: { setting: "rpcUrl" },
  },
  "header-not-found": {
    code: "network",
    isTransient: true,
    message: (where) => `The chain's node${where} does not have this block yet.`,
    hint: `The node lags behind. ${AGAIN}`,
  },
  pruned: {
    code: "network",
    isTransient: false,
    message: (where) => `The chain's node${where} no longer has the state of this old block.`,
    hint: "Use the endpoint of an archive node, which keeps the whole chain.",
    next: { setting: "rpcUrl" },
  },
  "not-json": {
    code: "network",
    isTransient: true,
    message: (where) => `The server${where} is not a chain's node: its answer is not JSON.`,
    hint: "Check the endpoint, and whether a proxy or a sign-in page is in between.",
    next: { setting: "rpcUrl" },
  },
  "too-long": {
    code: "network",
    isTransient: false,
    message: (where) => `The chain's node${where} sends an answer that is too long.`,
    hint: "Use another endpoint.",
    next: { setting: "rpcUrl" },
  },
  "wrong-protocol": {
    code: "usage",
    isTransient: false,
    message: (where) => `The endpoint${where} does not use the protocol in its URL.`,
    hint: "Use https:// in the endpoint's URL, or http:// if the endpoint has no encryption.",
    next: { setting: "rpcUrl" },
  },
  certificate: {
    code: "network",
    isTransient: false,
    message: (where) =>
      `The certificate of the chain's node${where} is not trusted: it is expired, self-signed, or issued for another host.`,
    hint: "Check the endpoint's URL; if the node is your own, trust its certificate.",
    next: { setting: "certificate" },
  },
  unreachable: {
    code: "network",
    isTransient: true,
    message: (where) => `The chain's node${where} does not answer.`,
    hint: "Check the endpoint, or start a local network.",
    next: { setting: "rpcUrl" },
  },
  unavailable: {
    code: "network",
    isTransient: true,
    message: (where) => `The chain's node${where} is out of service at the moment.`,
    hint: "Try again later, or use another endpoint.",
    next: { setting: "rpcUrl" },
  },
  silent: {
    code: "network",
    isTransient: true,
    message: (where) => `The chain's node${where} does not answer in time.`,
    hint: "Try again later, or use another endpoint.",
    next: { setting: "rpcUrl" },
  },
  unauthorized: {
    code: "network",
    isTransient: false,
    message: (where) => `The chain's node${where} refuses access.`,
    hint: "Check the API key in the endpoint's URL, and whether the plan includes this network.",
    next: { setting: "rpcUrl" },
  },
  "method-unsupported": {
    code: "network",
    isTransient: false,
    message: (where) => `The chain's node${where} does not support a required method.`,
    hint: "Use another endpoint.",
    next: { setting: "rpcUrl" },
  },
};

/** Patterns of nodes' messages by kind. The first match counts, so the order matters. */
const PATTERNS: readonly (readonly [NodeErrorKind, RegExp])[] = [
  [
    "already-known",
    /already ?known|known transaction|already ?imported|OwnNonceAlreadyUsed|already (exists )?in (the )?(mempool|cache|pool|system)/i,
  ],
  [
    "nonce-too-low",
    /nonce (is )?too low|OldNonce|invalid transaction nonce|nonce .*already been used|Pool\(Stale\)/i,
  ],
  [
    "nonce-too-high",
    /nonce (is )?too high|NonceGap|nonce too (far|distant)|nonce is too distant|gapped-nonce/i,
  ],
  ["fee-cap-exceeded", /exceeds the configured cap|fee cap exceeded/i],
  [
    "insufficient-funds",
    /insufficient ?funds|insufficient balance|(doesn't|does not) have enough funds|not enough funds|up-?front cost .*exceeds .*balance|gas required exceeds allowance/i,
  ],
  [
    "underpriced",
    /underpriced|another transaction with same nonce|tries to replace pending|ReplacementNotAllowed|FeeTooLow|gas ?price (is )?(too low|below|less than)|gas tip cap|insufficient fees?\b|(less|lower) than (the )?(block )?base ?fee|too low for the next block|(tip|priority fee).{0,40}(too low|below|less than|minimum)|fee too low/i,
  ],
  [
    "pool-full",
    /pool is full|mempool is full|pool full|queue full|too many transactions in the queue|in-flight transaction limit|account limit exceeded|txpool .*limit/i,
  ],
  [
    "exceeds-gas-limit",
    /exceeds? (the )?(block|max(imum)? transaction|transaction) gas limit|GasLimitExceeded|intrinsic gas|gas limit (is )?too (high|low)|exceeds current gas limit|gas is too low|supplied gas is beyond/i,
  ],
  [
    "header-not-found",
    /header (for hash )?not found|block (was )?not found|unknown block|beyond (the )?(current )?head|invalid block range|future height|height .{0,60}must be less than or equal/i,
  ],
  [
    "pruned",
    /missing trie node|pruned|historical (state|data)|state .{0,60}(not|un)available|old data not available|lowest height is|height is not available|distance to target block exceeds/i,
  ],
  [
    "range-too-large",
    /block range|blocks range|max(imum)? range|range (is )?too|too (wide|large) (blocks? )?range|range [\d,]+ exceeds|exceeds? .{0,40}(block range|results|range)|a [\d,]+k? range|ranges over [\d,]+ blocks|more than [\d,]+k? (results|logs|blocks)|too many (results|logs|blocks)|[\d,]+ logs returned|(logs|query) .{0,60}narrow your filter|at most [\d,]+ blocks|(number of )?requested blocks|blocks? distance|response (size|is too (large|big)|too (large|big))|query timeout/i,
  ],
  [
    "rate-limited",
    /rate.?limit|too many requests|compute units per second|requests? limit|(request count|quota|credits?|capacity|throughput|usage) .{0,20}(exceeded|exhausted|reached)|exceeded .{0,40}(quota|capacity|throughput|limit)|throttl|slow down|calls per second/i,
  ],
  [
    "method-unsupported",
    /method .{0,60}(not found|does not exist|not exist|not supported|unsupported|not available|not allowed|disabled)|unsupported method|unauthorized method/i,
  ],
  [
    "unauthorized",
    /(invalid|missing|wrong) (api|project|access|app) ?(key|id|token)|unauthorized|authenticat|does not have access|access denied|must be authenticated/i,
  ],
  [
    "unavailable",
    /bad gateway|service unavailable|temporarily unavailable|server (is )?(too )?busy|overloaded|no (available|healthy) (node|upstream|backend)|(upstream|backend) .{0,40}(fail|error|unhealthy|timeout)/i,
  ],
  ["silent", /timed? ?out|deadline exceeded/i],
];

/** JSON-RPC error codes, for messages that match no pattern. */
const CODES: Readonly<Record<number, NodeErrorKind>> = {
  429: "rate-limited",
  [-32005]: "rate-limited",
  [-32007]: "rate-limited",
  [-32016]: "rate-limited",
  [-32090]: "rate-limited",
  [-32601]: "method-unsupported",
  [-32614]: "range-too-large",
};

/** Messages that mean that the range is too large in a search for events, but not in other requests. */
const RANGE_PATTERN = /limit|exceed|timed? ?out|timeout|too (large|many)/i;

/** Sequence numbers of Cosmos chains: "expected 22, got 21" and "got 5, expected 6". */
const EXPECTED = /expected (\d+)/i;
const GOT = /got (\d+)/i;
const SEQUENCE = /account sequence|invalid sequence|invalid nonce/i;

/**
 * Classifies a node's message.
 * @param method of the request, if it is known
 * @returns null if it is a revert, whose message is the contract's, or anything unknown
 */
export function classifyMessage(
  words: string,
  code: number | undefined,
  method: string | undefined,
): NodeErrorKind | null {
  if (code === 3 || /\brevert/i.test(words)) return null;
  const sequence = classifySequence(words);
  if (sequence) return sequence;
  const found = PATTERNS.find(([, pattern]) => pattern.test(words))?.[0];
  if (found === "range-too-large" && method !== undefined && method !== "eth_getLogs") return null;
  const isVague = found === undefined || found === "silent";
  if (isVague && method === "eth_getLogs" && RANGE_PATTERN.test(words)) return "range-too-large";
  return found ?? (code === undefined ? null : (CODES[code] ?? null));
}

function classifySequence(words: string): NodeErrorKind | null {
  if (!SEQUENCE.test(words)) return null;
  const [expected, got] = [EXPECTED.exec(words)?.[1], GOT.exec(words)?.[1]];
  return Number(got) > Number(expected) ? "nonce-too-high" : "nonce-too-low";
}

/** Classifies an answer by its HTTP status alone. */
export function classifyStatus(status: number, method: string | undefined): NodeErrorKind | null {
  if (status === 429) return "rate-limited";
  if (status === 401 || status === 403 || status === 407) return "unauthorized";
  if (status === 413) return method === "eth_getLogs" ? "range-too-large" : "too-long";
  if (status >= 500) return "unavailable";
  return status >= 300 ? "not-json" : null;
}

const SYSTEM_CODES: Readonly<Record<string, NodeErrorKind>> = {
  ECONNREFUSED: "unreachable",
  ECONNRESET: "unreachable",
  ECONNABORTED: "unreachable",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  ENOTFOUND: "unreachable",
  EPIPE: "unreachable",
  EAI_AGAIN: "unreachable",
  NETWORK_ERROR: "unreachable",
  UND_ERR_SOCKET: "unreachable",
  UND_ERR_ABORTED: "unreachable",
  SERVER_ERROR: "unavailable",
  ETIMEDOUT: "silent",
  TIMEOUT: "silent",
  UND_ERR_CONNECT_TIMEOUT: "silent",
  UND_ERR_HEADERS_TIMEOUT: "silent",
  UND_ERR_BODY_TIMEOUT: "silent",
  ANSWER_TOO_LONG: "too-long",
  ANSWER_NOT_JSON: "not-json",
  INSUFFICIENT_FUNDS: "insufficient-funds",
  NONCE_EXPIRED: "nonce-too-low",
  REPLACEMENT_UNDERPRICED: "underpriced",
};

/** Classifies the error codes of the system, the HTTP client and ethers. */
export function classifySystemCode(code: string, method: string | undefined): NodeErrorKind | null {
  if (/CERT|UNABLE_TO_(VERIFY|GET_ISSUER)/.test(code)) return "certificate";
  if (/^ERR_SSL_|^EPROTO$|^HPE_/.test(code)) return "wrong-protocol";
  const kind = SYSTEM_CODES[code] ?? null;
  return kind === "too-long" && method === "eth_getLogs" ? "range-too-large" : kind;
}
