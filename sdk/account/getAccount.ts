import type { Client } from "../client.ts";
import { latestBlock } from "../transaction/latestBlock.ts";
import { readChain } from "../transaction/readChain.ts";
import { PAGE_SIZE, readPages } from "../transaction/readPages.ts";
import { readSubAccount, type SubAccountSummary } from "./SubAccount.ts";

/** A main account and its sub-accounts. All amounts in neuron; total = available + locked. */
export interface AccountSummary {
  readonly account: string;
  /** Free to withdraw or to fund sub-accounts. */
  readonly available: bigint;
  /** In sub-accounts. */
  readonly locked: bigint;
  readonly total: bigint;
  /** What the serving contract may still reserve; UNLIMITED if reservations do not use it up. */
  readonly allowance: bigint;
  readonly subAccounts: readonly SubAccountSummary[];
}

export interface GetAccountParameters {
  /** Address of the user or provider who owns the account. */
  readonly account: string;
}

/**
 * Reads an account as of one block. An account that was never opened reads as zeros.
 * @throws ProtocolError "network" if the chain does not answer.
 * @example const { available, subAccounts } = await getAccount(client, { account: user });
 */
export async function getAccount(
  client: Client,
  { account }: GetAccountParameters,
): Promise<AccountSummary> {
  return readChain(client, async () => {
    const { ledger, servingAddress } = client;
    const { number: blockTag } = await latestBlock(client);
    const [{ available, locked }, allowance, providers] = await Promise.all([
      ledger.accountOf(account, { blockTag }),
      ledger.allowanceOf(account, servingAddress, { blockTag }),
      readPages((offset) =>
        ledger.providersOf(account, servingAddress, offset, PAGE_SIZE, { blockTag }),
      ),
    ]);
    const subAccounts = await Promise.all(
      providers.map((provider) => readSubAccount(client, { account, provider, blockTag })),
    );
    return { account, available, locked, total: available + locked, allowance, subAccounts };
  });
}
