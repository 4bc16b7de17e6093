import type { Client } from "../client.ts";

/** Part of an account set aside for one provider. All amounts in neuron. */
export interface SubAccountSummary {
  readonly provider: string;
  readonly balance: bigint;
  /** Reserved for open tasks (user), or as stake and bonds (provider). */
  readonly reserved: bigint;
  /** Being returned to the main account. */
  readonly returning: bigint;
  /** balance - reserved - returning. */
  readonly free: bigint;
}

/** Reads the balances of one sub-account as of block `blockTag`, or the newest. Errors are not decoded. */
export async function readSubAccount(
  client: Client,
  { account, provider, ...at }: { account: string; provider: string; blockTag?: number },
): Promise<SubAccountSummary> {
  const { balance, reserved, returning } = await client.ledger.subAccountOf(
    account,
    client.servingAddress,
    provider,
    at,
  );
  return { provider, balance, reserved, returning, free: balance - reserved - returning };
}
