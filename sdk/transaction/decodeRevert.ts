import {
  type ErrorDescription,
  type Interface,
  isCallException,
  isError,
  isHexString,
} from "ethers";
import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import type { NextAction } from "../NextAction.ts";
import { nodeErrorFor, readNodeError } from "../rpc/nodeErrors.ts";
import { explainRevert } from "./explainRevert.ts";

/**
 * Converts an error thrown by ethers to a ProtocolError: a revert is explained by its Solidity error and arguments, a
 * request that the node refused by the kind of refusal.
 */
export function decodeRevert(client: Client, error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  const revert = findRevert(client, error);
  if (revert) return explainRevert(revert, error);
  const refusal = readNodeError(error, originOf(client));
  if (refusal) return nodeErrorFor(refusal, error);
  const [code, message, hint, next] = describe(client, error);
  return new ProtocolError(code, message, hint, { cause: error, next });
}

type Description = readonly [
  code: ProtocolError["code"],
  message: string,
  hint: string,
  next?: NextAction,
];

function describe(client: Client, error: unknown): Description {
  if (isError(error, "BAD_DATA") && error.value === "0x") {
    return [
      "not-found",
      `The contracts are not deployed on chain ${client.chainId} at this RPC endpoint.`,
      "Use another endpoint or another deployment, or deploy the contracts first.",
      { setting: "deployment" },
    ];
  }
  if (isCallException(error)) {
    return [
      "reverted",
      `The contract refused the call${error.reason ? `: ${error.reason}.` : "."}`,
      "Check the network and the arguments.",
    ];
  }
  return ["unexpected", shortMessage(error), "Look at the original error.", { inspect: "cause" }];
}

/** Nodes put the revert's data in different places, so all fields of the error are searched. */
function findRevert(client: Client, error: unknown): ErrorDescription | undefined {
  for (const data of hexStrings(error)) {
    for (const contract of [client.serving, client.ledger]) {
      const parsed = (contract.interface as unknown as Interface).parseError(data);
      if (parsed) return parsed;
    }
  }
  return undefined;
}

/** Fields in which ethers and nodes put what a call returned; the call's own data is in `transaction`. */
const CARRIERS = ["data", "info", "error", "cause"] as const;
const MAX_DEPTH = 6;

function* hexStrings(value: unknown, depth = 0): Generator<string> {
  if (isHexString(value) && value.length >= 10) yield value;
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return;
  for (const key of CARRIERS) {
    yield* hexStrings((value as Record<string, unknown>)[key], depth + 1);
  }
}

/** Ethers' long message quotes the request, including the raw transaction. */
function shortMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { shortMessage: short } = error as { shortMessage?: unknown };
  return typeof short === "string" ? short : error.message;
}

/** Scheme and host only: paths and user names of RPC endpoints often hold keys. */
function originOf(client: Client): string | undefined {
  const url = URL.parse(client.provider._getConnection().url);
  return url?.origin;
}
