import { retrieve } from "../../../sdk/account/calls.ts";
import { listSubAccounts, type ReturningSubAccount } from "../../../sdk/account/listSubAccounts.ts";
import { secondsUntil } from "../../../sdk/account/readReturns.ts";
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
  const [tasks, current] = await Promise.all([
    listTasks(client, { user: client.address }),
    readBalances(client),
  ]);
  const claimed = await claimAll(client, { tasks, now: current.now }, flags, terminal);
  const before = claimed.length === 0 ? current : await readBalances(client);
  const retrievable = before.subAccounts.filter((one) => canRetrieve(one, before.now));
  const providers = retrievable.map(({ provider }) => provider);
  if (providers.length === 0) {
    terminal.say(`Nothing to retrieve${nextUnlock(before)}.`);
    terminal.next(environment.command("get-account"));
    return { claimed, providers: [] };
  }
  const call = retrieve(client, { providers });
  const result = await submit(client, call, { providers }, flags, terminal);
  if (result.dryRun) return { ...result, claimed };

  const after = await readBalances(client, providers);
  const changes = retrievable.map((old, index) =>
    change(old, after.subAccounts[index]!, after.now),
  );
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
  { tasks, now }: { tasks: readonly Task[]; now: number },
  flags: SendingFlags,
  terminal: Terminal,
) {
  const overdue = tasks.filter((task) => standingOf(task, now).next === "claim");
  const claimed = [];
  for (const task of overdue) claimed.push(await claim(client, task, flags, terminal));
  return claimed;
}

/** The sub-accounts for some providers, or for all, and the chain's time. */
interface Balances {
  readonly subAccounts: readonly ReturningSubAccount[];
  readonly now: number;
}

async function readBalances(client: Wallet, providers?: readonly string[]): Promise<Balances> {
  const wanted = { account: client.address, ...(providers && { providers }) };
  const [subAccounts, { timestamp: now }] = await Promise.all([
    listSubAccounts(client, wanted),
    latestBlock(client),
  ]);
  return { subAccounts, now };
}

const canRetrieve = ({ free, requests }: ReturningSubAccount, now: number) =>
  free > 0n || requests.some((request) => secondsUntil(request, now) === 0);

/** The effect of the retrieval on one sub-account. Amounts are in neuron. */
function change(before: ReturningSubAccount, after: ReturningSubAccount, now: number) {
  const returned = before.balance - after.balance;
  const newest = after.requests.at(-1);
  return {
    provider: after.provider,
    returned,
    requested: after.returning - (before.returning - returned),
    secondsLeft: newest ? secondsUntil(newest, now) : null,
  };
}

function nextUnlock({ subAccounts, now }: Balances): string {
  const waits = subAccounts.flatMap(({ requests }) =>
    requests.map((request) => secondsUntil(request, now)),
  );
  if (waits.length === 0) return "";
  return `: the next amount unlocks in ${formatDuration(Math.min(...waits))}`;
}
