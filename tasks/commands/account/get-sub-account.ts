import { getSubAccount } from "../../../sdk/account/getSubAccount.ts";
import { formatTaskId } from "../../../sdk/ids.ts";
import { parseAddress } from "../../../sdk/parseAddress.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import { formatDuration } from "../../terminal/formatDuration.ts";

interface Flags {
  readonly provider: string;
  readonly json: boolean;
}

/** Shows the caller's sub-account for one provider: balance, amounts being returned, deliverables. */
export default (async (flags, terminal, environment) => {
  const provider = parseAddress(flags.provider);
  const client = await environment.signer("user");
  const subAccount = await getSubAccount(client, { account: client.address, provider });
  terminal.table({
    title: "Overview",
    widths: [50, 50],
    rows: [
      ["Field", "Value"],
      ["Provider", provider],
      ["Balance (OG)", formatOg(subAccount.balance)],
      ["Funds Applied for Return to Main Account (OG)", formatOg(subAccount.returning)],
    ],
  });
  terminal.say("");
  terminal.table({
    title: "Details of Each Amount Applied for Return to Main Account",
    isList: true,
    widths: [50, 50],
    rows: [
      ["Amount (OG)", "Remaining Locked Time"],
      ...subAccount.requests.map(({ amount, secondsLeft }) => [
        formatOg(amount),
        formatDuration(secondsLeft),
      ]),
    ],
  });
  terminal.say("");
  terminal.table({
    title: "Deliverables",
    isList: true,
    widths: [75, 25],
    rows: [
      ["Root Hash", "Access Confirmed"],
      ...subAccount.deliverables.map(({ root, confirmed }) => [root, confirmed ? "✓" : ""]),
    ],
  });
  terminal.next(environment.command("retrieve-fund"), "to get unspent money back");
  return {
    ...subAccount,
    deliverables: subAccount.deliverables.map(({ taskId, ...rest }) => ({
      taskId: formatTaskId(taskId),
      ...rest,
    })),
  };
}) satisfies Command<Flags>;
