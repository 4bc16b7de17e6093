import { retrieve } from "../../../sdk/account/calls.ts";
import { listSubAccounts, type ReturningSubAccount } from "../../../sdk/account/listSubAccounts.ts";
import type { Client } from "../../../sdk/client.ts";
import { listTasks } from "../../../sdk/task/listTasks.ts";
import { standingOf } from "../../../sdk/task/standing.ts";
import type { Task } from "../../../sdk/task/Task.ts";
import { latestBlock } from "../../../sdk/transaction/latestBlock.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import { claim } from "../../flows/claim.ts";
import { type SendingFlags, submit } from "../../flows/submit.ts";
import { formatDuration } from "../../terminal/formatDuration.ts";
import type { Terminal } from "../../terminal/Terminal.ts";

type Wallet = Client & { readonly address: string };

/**
 * For all providers of the caller: claims the money after missed deadlines and matured returns, and requests the return
 * of what is free.
 */
export default (async (flags, terminal, environment) => {
  const client = await environment.signer("user");
  const { timestamp: now } = await latestBlock(client);
  const [tasks, current] = await Promise.all([
    listTasks(client, { user: client.address }),
    listSubAccounts(client, { account: client.address, now }),
  ]);
  const overdue = tasks.filter((task) => standingOf(task, now).next === "claim");
  const claimed = await claimAll(client, overdue, flags, terminal);
  const before = claimed.length === 0 ? current : await readSubAccounts(client);
  const providers = before.filter(canRetrieve).map(({ provider }) => provider);
  if (providers.length === 0) {
    terminal.say(`Nothing to retrieve${nextUnlock(before)}.`);
    terminal.next(environment.command("get-account"));
    return { claimed, providers: [] };
  }
  const call = retrieve(client, { providers });
  const result = await submit(client, call, { providers }, flags, terminal);
  if (result.dryRun) return { ...result, claimed };

  const after = await readSubAccounts(client, providers);
  const changes = before
    .filter(canRetrieve)
    .map((old) => change(old, after.find(({ provider }) => provider === old.provider) ?? old));
  terminal.table({
    widths: [50, 35, 35, 25],
    rows: [
      ["Provider", "Returned to Main Account (OG)", "Requested Now (OG)", "Remaining Locked Time"],
      ...changes.map(({ provider, returned, requested, secondsLeft }) => [
        provider,
        formatOg(returned),
        formatOg(requested),
        secondsLeft === null ? "" : formatDuration(secondsLeft),
      ]),
    ],
  });
  const waiting = changes.some(({ secondsLeft }) => secondsLeft !== null);
  if (waiting) terminal.next(environment.command("retrieve-fund"), "after the locked time");
  else terminal.next(environment.command("refund --amount <AMOUNT>"));
  return { ...result, claimed, providers: changes };
}) satisfies Command<SendingFlags>;

/** Sends one transaction for each task whose provider missed a deadline, or shows it with --dry-run. */
async function claimAll(
  client: Wallet,
  overdue: readonly Task[],
  flags: SendingFlags,
  terminal: Terminal,
) {
  const claimed = [];
  for (const task of overdue) claimed.push(await claim(client, task, flags, terminal));
  return claimed;
}

/** As of now; default: those for all providers. */
async function readSubAccounts(client: Wallet, providers?: readonly string[]) {
  const { timestamp: now } = await latestBlock(client);
  return listSubAccounts(client, {
    account: client.address,
    now,
    ...(providers && { providers }),
  });
}

const canRetrieve = ({ free, requests }: ReturningSubAccount) =>
  free > 0n || requests.some(({ secondsLeft }) => secondsLeft === 0);

/** The effect of the retrieval on one sub-account. Amounts are in neuron. */
function change(old: ReturningSubAccount, now: ReturningSubAccount) {
  const returned = old.balance - now.balance;
  return {
    provider: now.provider,
    returned,
    requested: now.returning - (old.returning - returned),
    secondsLeft: now.requests.at(-1)?.secondsLeft ?? null,
  };
}

function nextUnlock(subAccounts: readonly ReturningSubAccount[]): string {
  const waits = subAccounts.flatMap(({ requests }) =>
    requests.map(({ secondsLeft }) => secondsLeft),
  );
  if (waits.length === 0) return "";
  return `: the next amount unlocks in ${formatDuration(Math.min(...waits))}`;
}
