import { getAddress } from "ethers";
import { getAccount } from "../../../sdk/account/getAccount.ts";
import { readChain } from "../../../sdk/transaction/readChain.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";

/** Shows the wallet that signs, its balance and that of its account, and the contracts that commands use. */
export default (async (_, terminal, environment) => {
  const client = await environment.signer("user");
  const { address, chainId } = client;
  const [ledger, serving] = [client.ledgerAddress, client.servingAddress].map(getAddress);
  const [balance, account] = await Promise.all([
    readChain(client, () => client.provider.getBalance(address)),
    getAccount(client, { account: address }),
  ]);
  terminal.table({
    widths: [35, 50],
    rows: [
      ["Field", "Value"],
      ["Network", `${environment.network} (chain id ${chainId})`],
      ["Wallet", address],
      ["Balance, for Gas and Deposits (OG)", formatOg(balance)],
      ["Account (OG)", formatOg(account.total)],
      ["Free in the Account (OG)", formatOg(account.available)],
      ["Ledger", ledger!],
      ["FineTuningServing", serving!],
    ],
  });
  const hasAccount = account.total > 0n || account.subAccounts.length > 0;
  terminal.next(environment.command(hasAccount ? "get-account" : "add-account --amount 0.1"));
  return {
    ...{ network: environment.network, chainId, address, balance },
    account: { total: account.total, available: account.available },
    contracts: { Ledger: ledger, FineTuningServing: serving },
  };
}) satisfies Command<{ json: boolean }>;
