import type { Client } from "../client.ts";
import { readChain } from "../transaction/readChain.ts";
import { PAGE_SIZE, readPages } from "../transaction/readPages.ts";
import { type ReturnRequest, readReturns } from "./readReturns.ts";
import { readSubAccount, type SubAccountSummary } from "./SubAccount.ts";

/** A sub-account with its return requests. */
export interface ReturningSubAccount extends SubAccountSummary {
  /** Oldest first. */
  readonly requests: readonly ReturnRequest[];
}

export interface ListSubAccountsParameters {
  /** Address of the account. */
  readonly account: string;
  /** Addresses of the providers; default: all that the account has a sub-account for. */
  readonly providers?: readonly string[];
}

/**
 * Reads sub-accounts of an account with their return requests.
 * @throws ProtocolError "network" if the chain does not answer.
 * @example const subAccounts = await listSubAccounts(client, { account: user });
 */
export async function listSubAccounts(
  client: Client,
  { account, providers }: ListSubAccountsParameters,
): Promise<ReturningSubAccount[]> {
  return readChain(client, async () => {
    const wanted = providers ?? (await readProviders(client, account));
    return Promise.all(
      wanted.map(async (provider) => {
        const [summary, requests] = await Promise.all([
          readSubAccount(client, { account, provider }),
          readReturns(client, { account, provider }),
        ]);
        return { ...summary, requests };
      }),
    );
  });
}

const readProviders = ({ ledger, servingAddress }: Client, account: string): Promise<string[]> =>
  readPages((offset) => ledger.providersOf(account, servingAddress, offset, PAGE_SIZE));
