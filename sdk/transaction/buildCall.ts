import type { Interface } from "ethers";
import type { Client } from "../client.ts";
import type { Call } from "./Call.ts";

/** Encodes a call of the Ledger. The argument types are checked against the ABI when it is encoded. */
export function ledgerCall(
  client: Client,
  verb: string,
  args: readonly unknown[],
  value = 0n,
): Call {
  const abi = client.ledger.interface as unknown as Interface;
  return { verb, to: client.ledgerAddress, data: abi.encodeFunctionData(verb, args), value };
}

/** Encodes a call of FineTuningServing. */
export function servingCall(client: Client, verb: string, args: readonly unknown[]): Call {
  const abi = client.serving.interface as unknown as Interface;
  return { verb, to: client.servingAddress, data: abi.encodeFunctionData(verb, args), value: 0n };
}
