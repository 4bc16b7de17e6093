import { getAccount } from "../../../sdk/account/getAccount.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";

/** Shows the caller's account and its sub-accounts. */
export default (async (_, terminal, environment) => {
  const client = await environment.signer("user");
  const account = await getAccount(client, { account: client.address });
  terminal.table({
    title: "Overview",
    widths: [50, 81],
    rows: [
      ["Balance", "Value (OG)"],
      ["Total", formatOg(account.total)],
      ["Locked (transferred to sub-accounts)", formatOg(account.locked)],
    ],
  });
  terminal.say("");
  terminal.table({
    title: "Fine-tuning sub-accounts (Dynamically Created per Used Provider)",
    widths: [50, 30, 50],
    rows: [
      ["Provider", "Balance (OG)", "Requested Return to Main Account (OG)"],
      ...account.subAccounts.map(({ provider, balance, returning }) => [
        provider,
        formatOg(balance),
        formatOg(returning),
      ]),
    ],
  });
  const isOpen = account.total > 0n || account.subAccounts.length > 0;
  terminal.next(environment.command(isOpen ? "list-providers" : "add-account --amount 0.1"));
  return account;
}) satisfies Command<{ json: boolean }>;
