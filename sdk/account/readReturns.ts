import type { Client } from "../client.ts";

/** An amount that is being returned to the main account. */
export interface ReturnRequest {
  /** Neuron. */
  readonly amount: bigint;
  /** Unix seconds. */
  readonly unlocksAt: number;
}

/** Reads the return requests of one sub-account, oldest first. Errors are not decoded. */
export async function readReturns(
  client: Client,
  { account, provider, ...at }: { account: string; provider: string; blockTag?: number },
): Promise<ReturnRequest[]> {
  const { ledger, servingAddress } = client;
  const requests = await ledger.returnRequestsOf(account, servingAddress, provider, at);
  return requests.map(({ amount, unlocksAt }) => ({ amount, unlocksAt: Number(unlocksAt) }));
}

/** Seconds until a request can be claimed, by the chain's clock; 0 if it can. */
export const secondsUntil = ({ unlocksAt }: ReturnRequest, now: number): number =>
  Math.max(0, unlocksAt - now);
