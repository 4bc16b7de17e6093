import { expect } from "chai";
import { type JsonRpcPayload, JsonRpcProvider, makeError } from "ethers";
import { describe, it } from "mocha";
import { ProtocolError } from "../../../../sdk/errors.ts";
import type { NodeErrorKind } from "../../../../sdk/rpc/nodeErrorKinds.ts";
import { isTransientError, nodeErrorFor, readNodeError } from "../../../../sdk/rpc/nodeErrors.ts";

type Case = readonly [node: string, code: number, words: string, kind: NodeErrorKind];

/** Answers of nodes and hosts to a transaction. */
const SENDING: readonly Case[] = [
  [
    "geth",
    -32000,
    "insufficient funds for gas * price + value: balance 1, tx cost 2, overshot 1",
    "insufficient-funds",
  ],
  ["geth", -32000, "insufficient funds for transfer", "insufficient-funds"],
  ["geth", -32000, "nonce too low: next nonce 5, tx nonce 3", "nonce-too-low"],
  ["geth", -32000, "nonce too high", "nonce-too-high"],
  ["geth", -32000, "replacement transaction underpriced", "underpriced"],
  [
    "geth",
    -32000,
    "transaction underpriced: gas tip cap 1, minimum needed 1000000000",
    "underpriced",
  ],
  [
    "geth",
    -32000,
    "max fee per gas less than block base fee: address 0x71562b71999873DB5b286dF957af199Ec94617F7, maxFeePerGas: 1, baseFee: 875000000",
    "underpriced",
  ],
  ["geth", -32000, "future transaction tries to replace pending", "underpriced"],
  ["geth", -32000, "already known", "already-known"],
  ["geth", -32000, "txpool is full", "pool-full"],
  ["geth", -32000, "exceeds block gas limit", "exceeds-gas-limit"],
  ["geth", -32000, "intrinsic gas too low: gas 20000, minimum needed 21000", "exceeds-gas-limit"],
  [
    "geth",
    -32000,
    "tx fee (1.10 ether) exceeds the configured cap (1.00 ether)",
    "fee-cap-exceeded",
  ],
  ["geth", -32000, "in-flight transaction limit reached for delegated accounts", "pool-full"],
  ["erigon", -32000, "block already known", "already-known"],
  ["erigon", -32000, "fee too low", "underpriced"],
  ["erigon", -32000, "insufficient funds", "insufficient-funds"],
  ["reth", -32000, "txpool is full", "pool-full"],
  [
    "reth",
    -32003,
    "insufficient funds for gas * price + value: have 1 want 2",
    "insufficient-funds",
  ],
  ["reth", -32000, "max fee per gas less than block base fee", "underpriced"],
  [
    "nethermind",
    -32010,
    "InsufficientFunds, Balance is 0 less than sending value + gas 100",
    "insufficient-funds",
  ],
  [
    "nethermind",
    -32010,
    "FeeTooLow, EffectivePriorityFeePerGas too low 1 < 2, BaseFee: 7",
    "underpriced",
  ],
  ["nethermind", -32010, "FeeTooLowToCompete", "underpriced"],
  ["nethermind", -32010, "OldNonce, Current nonce: 5, nonce of rejected tx: 3", "nonce-too-low"],
  ["nethermind", -32010, "NonceGap, Future nonce. Expected nonce: 4", "nonce-too-high"],
  ["nethermind", -32010, "AlreadyKnown", "already-known"],
  ["nethermind", -32010, "OwnNonceAlreadyUsed", "already-known"],
  [
    "nethermind",
    -32010,
    "GasLimitExceeded, Gas limit: 30000000, gas limit of rejected tx: 40000000",
    "exceeds-gas-limit",
  ],
  ["besu", -32004, "Upfront cost exceeds account balance", "insufficient-funds"],
  ["besu", -32000, "Known transaction", "already-known"],
  ["besu", -32009, "Gas price below configured minimum gas price", "underpriced"],
  ["besu", -32000, "Transaction fee cap exceeded", "fee-cap-exceeded"],
  ["besu", -32005, "Transaction gas limit exceeds block gas limit", "exceeds-gas-limit"],
  ["besu", -32003, "Intrinsic gas exceeds gas limit", "exceeds-gas-limit"],
  ["besu", -32001, "Nonce too low", "nonce-too-low"],
  ["openethereum", -32010, "Transaction with the same hash was already imported.", "already-known"],
  [
    "openethereum",
    -32010,
    "Insufficient funds. The account you tried to send transaction from does not have enough funds. Required 200 and got: 100.",
    "insufficient-funds",
  ],
  [
    "openethereum",
    -32010,
    "There are too many transactions in the queue. Your transaction was dropped due to limit. Try increasing the fee.",
    "pool-full",
  ],
  [
    "openethereum",
    -32010,
    "Transaction gas price 100wei is too low. There is another transaction with same nonce in the queue with gas price 150wei. Try increasing the gas price or incrementing the nonce.",
    "underpriced",
  ],
  ["anvil", -32003, "Insufficient funds for gas * price + value", "insufficient-funds"],
  ["anvil", -32003, "nonce too low", "nonce-too-low"],
  ["anvil", -32003, "transaction already imported", "already-known"],
  ["anvil", -32003, "max fee per gas less than block base fee", "underpriced"],
  [
    "hardhat",
    -32000,
    "Sender doesn't have enough funds to send tx. The max upfront cost is: 20 and the sender's balance is: 10.",
    "insufficient-funds",
  ],
  [
    "hardhat",
    -32000,
    "Nonce too high. Expected nonce to be 2 but got 4. Note that transactions can't be queued when automining.",
    "nonce-too-high",
  ],
  ["hardhat", -32000, "Nonce too low. Expected nonce to be 4 but got 2.", "nonce-too-low"],
  [
    "hardhat",
    -32000,
    "Known transaction: 0x7f657507aee0511e36d2d1972a6b22e917cc89f92b6c12c4dbd57eaabb236960",
    "already-known",
  ],
  [
    "hardhat",
    -32000,
    "Transaction maxFeePerGas (30000000) is too low for the next block, which has a baseFeePerGas of 36936503",
    "underpriced",
  ],
  [
    "hardhat",
    -32000,
    "Transaction gas limit is 90000000 and exceeds block gas limit of 60000000",
    "exceeds-gas-limit",
  ],
  ["evmos", -32000, "failed to broadcast transaction: : tx already in mempool", "already-known"],
  [
    "evmos",
    -32000,
    "sender balance < tx cost (100 < 200): insufficient funds",
    "insufficient-funds",
  ],
  [
    "evmos",
    -32000,
    "mempool is full: number of txs 5000 (max: 5000), total txs bytes 1 (max: 2)",
    "pool-full",
  ],
  [
    "evmos",
    -32000,
    "invalid nonce; got 5, expected 6: invalid sequence: invalid sequence",
    "nonce-too-low",
  ],
  [
    "evmos",
    -32000,
    "invalid nonce; got 7, expected 6: invalid sequence: invalid sequence",
    "nonce-too-high",
  ],
  [
    "0g-chain",
    -32000,
    "account sequence mismatch, expected 5175, got 5160: incorrect account sequence",
    "nonce-too-low",
  ],
  [
    "0g-chain",
    -32000,
    "provided fee < minimum global fee (1 < 2). Please increase the gas price.: insufficient fee",
    "underpriced",
  ],
  ["evmos", -32000, "gas price too low: 1 wei, use at least tx.gasPrice = 2 wei", "underpriced"],
  ["arbitrum", -32000, "sequencer pending tx pool full, please try again", "pool-full"],
  [
    "op-geth",
    -32000,
    "transaction underpriced: tip needed 1000000, tip permitted 0",
    "underpriced",
  ],
];

/** Answers of nodes and hosts to a search for events, and the number of blocks they would search. */
const SEARCHING: readonly (readonly [...Case, maxBlocks?: number])[] = [
  [
    "alchemy",
    -32602,
    "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the response size, or you can request any block range with a cap of 10K logs in the response. Based on your parameters and the response size limit, this block range should work: [0x0, 0x133e71]",
    "range-too-large",
    0x133e72,
  ],
  [
    "alchemy",
    -32600,
    "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range.",
    "range-too-large",
    10,
  ],
  [
    "infura",
    -32005,
    "query returned more than 10000 results. Try with this block range [0xCB3D, 0xCB40].",
    "range-too-large",
    4,
  ],
  ["infura", -32602, "range 1000000 exceeds limit of 10000", "range-too-large", 10_000],
  ["quicknode", -32614, "eth_getLogs is limited to a 10,000 range", "range-too-large", 10_000],
  ["drpc", 35, "ranges over 10000 blocks are not supported on freetier", "range-too-large", 10_000],
  [
    "drpc",
    -32000,
    "requested too many blocks from 0 to 16777216, maximum is set to 2048",
    "range-too-large",
    2048,
  ],
  [
    "cloudflare",
    -32047,
    "Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: 800",
    "range-too-large",
    800,
  ],
  ["ankr", -32600, "block range is too wide", "range-too-large"],
  ["publicnode", -32701, "exceed maximum block range: 50000", "range-too-large", 50_000],
  [
    "thirdweb",
    -32005,
    "Log response size exceeded. Maximum allowed number of requested blocks is 1000",
    "range-too-large",
    1000,
  ],
  ["bsc", -32005, "limit exceeded", "range-too-large"],
  [
    "erigon",
    -32000,
    "query block range exceeds server limit, narrow your filter: 1000",
    "range-too-large",
    1000,
  ],
  ["erigon", -32000, "query returns too many logs, narrow your filter: 20000", "range-too-large"],
  ["reth", -32602, "query exceeds max block range 100000", "range-too-large", 100_000],
  [
    "reth",
    -32602,
    "query exceeds max results 20000, retry with the range 6000000-6000509",
    "range-too-large",
    510,
  ],
  [
    "scroll",
    -32000,
    "block range is larger than max block range, block range = 5120, max block range = 5000",
    "range-too-large",
    5000,
  ],
  [
    "evmos",
    -32000,
    "failed to return filtered transactions: maximum [begin, end] blocks distance: 10000",
    "range-too-large",
  ],
  [
    "sei",
    -32000,
    "block range too large (2000), maximum allowed is 1000 blocks",
    "range-too-large",
    1000,
  ],
  ["chainstack", -32002, "request timed out", "range-too-large"],
  ["geth", -32602, "block range extends beyond current head block", "header-not-found"],
  ["reth", -32602, "invalid block range params", "header-not-found"],
];

/** Answers of nodes and hosts to any request. */
const READING: readonly Case[] = [
  ["geth", -32000, "header not found", "header-not-found"],
  [
    "geth",
    -32000,
    "missing trie node 5c0ee75d9dd668839db2895c93257f6a3a77282740c045d286ff0d1f297ffa24 (path ) state 0x5c is not available",
    "pruned",
  ],
  ["nethermind", -32001, "Block not found", "header-not-found"],
  ["besu", -32000, "Unknown block", "header-not-found"],
  [
    "evmos",
    -32000,
    "height 100 must be less than or equal to the current blockchain height 90",
    "header-not-found",
  ],
  ["evmos", -32000, "height 100 is not available, lowest height is 5000", "pruned"],
  ["geth", -32601, "the method eth_foo does not exist/is not available", "method-unsupported"],
  ["infura", -32005, "daily request count exceeded, request rate limited", "rate-limited"],
  ["base", -32016, "over rate limit", "rate-limited"],
  ["alchemy", 429, "Your app has exceeded its compute units per second capacity.", "rate-limited"],
  [
    "quicknode",
    -32007,
    "15/second request limit reached - reduce calls per second or upgrade your account",
    "rate-limited",
  ],
  [
    "ankr",
    -32090,
    "Too many requests, reason: call rate limit exhausted, retry in 10s",
    "rate-limited",
  ],
  ["infura", -32002, "project ID does not have access to this network", "unauthorized"],
  ["alchemy", -32600, "Must be authenticated!", "unauthorized"],
];

/** As ethers wraps a node's answer. */
function throughEthers(method: string, error: object): Error {
  const payload: JsonRpcPayload = { id: 1, jsonrpc: "2.0", method, params: ["0x02f8"] };
  return new JsonRpcProvider("http://127.0.0.1:9", 1).getRpcError(payload, {
    id: 1,
    error: error as never,
  });
}

/** As ethers reports an HTTP error. */
function httpAnswer(status: string, responseBody: string, headers = {}): Error {
  const error = makeError(`server response ${status}`, "SERVER_ERROR", {
    request: {} as never,
    info: { requestUrl: "http://127.0.0.1:9", responseBody, responseStatus: status },
  });
  return Object.assign(error, { response: { headers } });
}

describe("messages of nodes", () => {
  const tables = [
    ["eth_sendRawTransaction", SENDING],
    ["eth_getLogs", SEARCHING],
    ["eth_call", READING],
  ] as const;
  for (const [method, cases] of tables) {
    for (const [node, code, words, kind, maxBlocks] of cases as typeof SEARCHING) {
      it(`${node}: "${words.slice(0, 70)}" to ${method} is ${kind}`, () => {
        const found = readNodeError(throughEthers(method, { code, message: words }));
        expect(found?.kind).to.equal(kind);
        expect(found?.maxBlocks).to.equal(maxBlocks);
        expect(found?.words).to.include(words.slice(0, 40));
        expect(found?.message).to.match(/^[A-Z].*\.$/);
        expect(found?.message).not.to.include("0x02f8");
      });
    }
  }

  it("recognizes the messages of more than eight kinds of node", () => {
    const nodes = new Set([...SENDING, ...SEARCHING, ...READING].map(([node]) => node));
    expect(nodes.size).to.be.greaterThan(8);
  });

  it("leaves a contract's own messages to the contract", () => {
    const words = "execution reverted: insufficient funds";
    expect(readNodeError(throughEthers("eth_call", { code: 3, message: words }))).to.equal(null);
    expect(readNodeError({ error: { code: -32000, message: words } })).to.equal(null);
  });

  it("does not mistake the quoted request for the node's message", () => {
    const error = makeError("could not coalesce error", "UNKNOWN_ERROR", {
      error: { code: -32099, message: "odd" },
      payload: { method: "eth_call", params: ["nonce too low"] },
    } as never);
    expect(readNodeError(error)).to.equal(null);
    expect(readNodeError(new Error("rate limit"))).to.equal(null);
  });

  it("reads the JSON-RPC error in an answer with HTTP status 400, 413 or 429", () => {
    for (const status of ["400 Bad Request", "413 Too Large", "429 Too Many Requests"]) {
      const body = '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"already known"}}';
      expect(readNodeError(httpAnswer(status, body))?.kind).to.equal("already-known");
    }
  });

  it("reads an HTTP answer that has only a status", () => {
    const kinds = {
      "429 Too Many Requests": "rate-limited",
      "413 Payload Too Large": "too-long",
      "401 Unauthorized": "unauthorized",
      "503 Service Unavailable": "unavailable",
      "404 Not Found": "not-json",
      "200 OK": "not-json",
    };
    for (const [status, kind] of Object.entries(kinds)) {
      expect(readNodeError(httpAnswer(status, "<html>sorry</html>"))?.kind, status).to.equal(kind);
    }
  });

  it("waits for as many seconds as the node says", () => {
    const waitFor = (text: string) =>
      readNodeError(httpAnswer("429 Too Many", "", { "retry-after": text }))?.retryAfterMs;
    expect(waitFor("1")).to.equal(1_000);
    expect(waitFor("Thu, 01 Jan 1970 00:00:00 GMT")).to.equal(0);
    expect(waitFor("soon")).to.equal(undefined);
    const told = { code: -32090, message: "Too many requests, retry in 10s" };
    expect(readNodeError(told)?.retryAfterMs).to.equal(10_000);
    const rate = { code: -32005, message: "limited", data: { rate: { backoff_seconds: 30 } } };
    expect(readNodeError({ error: rate })?.retryAfterMs).to.equal(30_000);
  });

  it("recognizes a failed connection by its code, wherever that is", () => {
    const kinds = {
      ECONNREFUSED: "unreachable",
      ENOTFOUND: "unreachable",
      UND_ERR_SOCKET: "unreachable",
      TIMEOUT: "silent",
      UND_ERR_HEADERS_TIMEOUT: "silent",
      DEPTH_ZERO_SELF_SIGNED_CERT: "certificate",
      CERT_HAS_EXPIRED: "certificate",
      ERR_TLS_CERT_ALTNAME_INVALID: "certificate",
      ERR_SSL_WRONG_VERSION_NUMBER: "wrong-protocol",
    };
    for (const [code, kind] of Object.entries(kinds)) {
      const error = Object.assign(new Error("x"), { code });
      const shapes = [error, { cause: error }, new AggregateError([error]), { error }];
      for (const shape of shapes) expect(readNodeError(shape)?.kind, code).to.equal(kind);
    }
  });

  it("reports that the URL of a websocket is not an HTTP URL", () => {
    const error = makeError("unsupported protocol ws", "UNSUPPORTED_OPERATION", {
      operation: "request",
    });
    expect(readNodeError(error)?.kind).to.equal("wrong-protocol");
  });

  it("keeps raw transactions, URLs and line breaks out of what is logged", () => {
    const message = `bad\n tx 0x${"ab".repeat(200)} at https://host/key-123`;
    const words = readNodeError({ code: -32005, message })?.words;
    expect(words).to.equal("bad tx 0x… at <url> (-32005)");
  });

  it("is included in the error that a user sees", () => {
    const cause = throughEthers("eth_call", { code: -32016, message: "over rate limit" });
    const error = nodeErrorFor(readNodeError(cause)!, cause);
    expect(error).to.be.instanceOf(ProtocolError);
    expect(error.code).to.equal("network");
    expect(isTransientError(error)).to.equal(true);
    expect(isTransientError(new ProtocolError("network", "rate limit", "x"))).to.equal(false);
  });
});
