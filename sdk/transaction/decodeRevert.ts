import {
  type ErrorDescription,
  type Interface,
  isCallException,
  isError,
  isHexString,
} from "ethers";
import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { explainRevert } from "./explainRevert.ts";

/**
 * Turns whatever ethers threw into a ProtocolError: reverts carry the Solidity error's name and numbers, a node that
 * does not answer is "network", a wallet without gas is "insufficient-funds".
 */
export function decodeRevert(client: Client, error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  const revert = findRevert(client, error);
  if (revert) return explainRevert(revert, error);
  const [code, message, hint] = describe(client, error);
  return new ProtocolError(code, message, hint, { cause: error });
}

type Description = readonly [code: ProtocolError["code"], message: string, hint: string];

function describe(client: Client, error: unknown): Description {
  if (isUnreachable(error)) {
    return [
      "network",
      `The chain's node at ${rpcUrl(client)} does not answer.`,
      "Check RPC_ENDPOINT, or start a local network: npm start -- --keep",
    ];
  }
  if (isError(error, "INSUFFICIENT_FUNDS") || saysPoor(error)) {
    return [
      "insufficient-funds",
      "The wallet holds too little OG for the amount and the gas of this transaction.",
      "Send OG to the wallet, or use a smaller amount.",
    ];
  }
  if (isError(error, "NONCE_EXPIRED") || isError(error, "REPLACEMENT_UNDERPRICED")) {
    return [
      "unexpected",
      "Another transaction of this wallet got in between.",
      "Wait until it is in a block and run the command again.",
    ];
  }
  if (isError(error, "BAD_DATA") && error.value === "0x") {
    return [
      "not-found",
      `The contracts are not deployed on chain ${client.chainId} as this RPC endpoint serves it.`,
      "Check --network and RPC_ENDPOINT, or deploy them: npx hardhat deploy --network <name>",
    ];
  }
  if (isCallException(error)) {
    return [
      "reverted",
      `The contract refused the call${error.reason ? `: ${error.reason}.` : "."}`,
      "Check the network and the arguments.",
    ];
  }
  const message = error instanceof Error ? error.message : String(error);
  return ["unexpected", message, "Run again with --show-stack-traces."];
}

/** Nodes put the revert's data in different places: it is looked for in everything the error carries. */
function findRevert(client: Client, error: unknown): ErrorDescription | undefined {
  for (const data of hexStrings(error)) {
    for (const contract of [client.serving, client.ledger]) {
      const parsed = (contract.interface as unknown as Interface).parseError(data);
      if (parsed) return parsed;
    }
  }
  return undefined;
}

/** Fields in which ethers and nodes keep what a call returned; the call's own data is in `transaction`. */
const CARRIERS = ["data", "info", "error", "cause"] as const;
const MAX_DEPTH = 6;

function* hexStrings(value: unknown, depth = 0): Generator<string> {
  if (isHexString(value) && value.length >= 10) yield value;
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return;
  for (const key of CARRIERS) {
    yield* hexStrings((value as Record<string, unknown>)[key], depth + 1);
  }
}

const UNREACHABLE = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "NETWORK_ERROR",
  "SERVER_ERROR",
  "TIMEOUT",
]);

/** A refused connection comes as it is, in an AggregateError for two addresses, or inside ethers' own errors. */
function isUnreachable(error: unknown, depth = 0): boolean {
  if (typeof error !== "object" || error === null || depth > MAX_DEPTH) return false;
  const { code, error: inner, cause } = error as Record<string, unknown>;
  return (
    UNREACHABLE.has(String(code)) ||
    isUnreachable(inner, depth + 1) ||
    isUnreachable(cause, depth + 1)
  );
}

/** What Hardhat's node says to a wallet that cannot pay. */
function saysPoor(error: unknown): boolean {
  const text = error instanceof Error ? error.message : "";
  return /sender doesn't have enough funds|insufficient funds/i.test(text);
}

/** Scheme and host only: paths and user names of RPC endpoints often hold keys. */
function rpcUrl(client: Client): string {
  const { url } = client.provider._getConnection();
  return URL.canParse(url) ? new URL(url).origin : "RPC_ENDPOINT";
}
