import type { Client } from "../client.ts";

/** An amount that is being returned to the main account. */
export interface PendingReturn {
  /** Neuron. */
  readonly amount: bigint;
  /** Unix seconds. */
  readonly unlocksAt: number;
  /** Seconds until then by the chain's clock; 0 if it can be claimed. */
  readonly secondsLeft: number;
}

/** Reads the return requests of one sub-account, oldest first. Errors are not decoded. */
export async function readReturns(
  client: Client,
  {
    account,
    provider,
    now,
    ...at
  }: { account: string; provider: string; now: number; blockTag?: number },
): Promise<PendingReturn[]> {
  const { ledger, servingAddress } = client;
  const requests = await ledger.returnRequestsOf(account, servingAddress, provider, at);
  return requests.map(({ amount, unlocksAt }) => ({
    amount,
    unlocksAt: Number(unlocksAt),
    secondsLeft: Math.max(0, Number(unlocksAt) - now),
  }));
}
