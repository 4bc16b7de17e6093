import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Interface } from "ethers";
import { getAccount } from "../../sdk/account/getAccount.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { searchTaskEvents } from "../../sdk/task/searchTaskEvents.ts";
import type { TaskEvent } from "../../sdk/task/taskEvents.ts";
import type { ChainBlock, FaultFixture } from "./FaultFixture.ts";
import type { SimulatedUser } from "./SimulatedUser.ts";

/** What went wrong in a run: something that should have happened did not, or happened twice, or a secret got out. */
export interface Verdict {
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
  /** Where confidential bytes were found. */
  readonly leaked: readonly string[];
}

/** Events of a task, each at most once. */
const ONCE = [
  "TaskCreated",
  "TaskAccepted",
  "TaskDelivered",
  "KeyRevealed",
  "TaskSettled",
  "TaskFailed",
  "TaskCancelled",
  "TaskLapsed",
];

/**
 * Checks chain and disk after a run, when every daemon has ended: one deliverable and one settlement per finished task,
 * the user's bytes, no money created or lost, no file left. The run itself checks for leaks.
 */
export async function judge(
  market: FaultFixture,
  users: readonly SimulatedUser[],
  stateDirectory: string,
  leaked: readonly string[] = [],
): Promise<Verdict> {
  const lost: string[] = [];
  const doubled: string[] = [];
  if (users.length === 0) return { lost, doubled, leaked }; // the run has judged itself
  for (const user of users) {
    if (!user.hasEnded()) lost.push(`task of user ${user.account} stayed ${user.state}`);
    const opens = user.state === "Settled";
    if (opens && user.opened !== market.expectedArchive.sha256)
      lost.push(`user ${user.account} got other bytes`);
  }
  const blocks = await market.blocksOfRun();
  doubled.push(...(await repeatedEvents(market, users, blocks)));
  doubled.push(...(await repeatedTransactions(market, blocks)));
  lost.push(...(await wrongMoney(market, users)));
  lost.push(...leftFiles(stateDirectory).map((path) => `left on disk: ${path}`));
  return { lost, doubled, leaked };
}

async function repeatedEvents(
  market: FaultFixture,
  users: readonly SimulatedUser[],
  blocks: readonly ChainBlock[],
): Promise<string[]> {
  const hashes = new Set(blocks.map(({ hash }) => hash));
  const events = (await allEvents(market)).filter(({ blockHash }) => hashes.has(blockHash));
  return users.flatMap(({ id, account }) =>
    ONCE.flatMap((name) => {
      const found = events.filter((event) => event.id === id && event.name === name);
      if (found.length < 2) return [];
      const places = found.map((event) => `${event.blockNumber} ${event.transactionHash}`);
      return `${name} twice for user ${account}: ${places.join(", ")}`;
    }),
  );
}

/** Transactions of the provider that cost gas without effect: a second delivery that the contract refused. */
async function repeatedTransactions(
  market: FaultFixture,
  blocks: readonly ChainBlock[],
): Promise<string[]> {
  const { rpc } = market.chain;
  const { provider } = market.service;
  const serving = market.client(2).serving.interface as unknown as Interface;
  const seen = new Set<string>();
  const repeated: string[] = [];
  const transactions = blocks.toReversed().flatMap((block) => block.transactions);
  for (const { hash, from, to, input } of transactions) {
    if (from.toLowerCase() !== provider.toLowerCase()) continue;
    if (to?.toLowerCase() === provider.toLowerCase()) continue; // a nonce that was filled without effect
    const verb = serving.parseTransaction({ data: input })?.name ?? "?";
    const effect = `${verb} ${subjectOf(verb, input)}`;
    const receipt = await rpc.getTransactionReceipt(hash);
    const succeeded = receipt?.status === 1;
    const hasEffect = succeeded && receipt.logs.length > 0;
    // In a reorganized chain it may come too early, or too late, and has no effect.
    if (market.isReorganized && !hasEffect) continue;
    // An acceptance that was superseded by the user's cancellation is nobody's fault.
    if (seen.has(effect) || (!succeeded && verb !== "acceptTask"))
      repeated.push(`twice: ${effect}`);
    seen.add(effect);
  }
  return repeated;
}

/** The tasks that a call is about: its first argument, or the list that `finalize` takes. */
function subjectOf(verb: string, input: string): string {
  return verb === "finalize" ? input.slice(10) : input.slice(10, 74);
}

async function wrongMoney(
  market: FaultFixture,
  users: readonly SimulatedUser[],
): Promise<string[]> {
  const wrong: string[] = [];
  const client = market.client(2);
  const tasks = await Promise.all(users.map(({ id }) => getTask(client, { id }).catch(() => null)));
  const compensations = await compensationsOf(market);
  let held = 0n;
  for (const account of market.totals.keys()) {
    const { total, available, locked, subAccounts } = await getAccount(client, { account });
    held += total;
    const inSub = subAccounts.reduce((sum, { balance }) => sum + balance, 0n);
    if (total !== available + locked || locked !== inSub) wrong.push(`sums of ${account}`);
    for (const { reserved, returning, balance } of subAccounts)
      if (reserved + returning > balance) wrong.push(`reserved more than held by ${account}`);
    const paid = tasks.reduce((sum, task) => {
      if (!task) return sum;
      const flow = task.paid - (compensations.get(task.id) ?? 0n);
      if (account === market.service.provider) return sum + flow;
      return task.user === account ? sum - flow : sum;
    }, 0n);
    const expected = market.totals.get(account)! + paid;
    if (total !== expected) wrong.push(`${account} has ${total} instead of ${expected}`);
  }
  const ether = await client.provider.getBalance(client.ledgerAddress);
  if (ether - held !== market.nobodys)
    wrong.push(`the Ledger has ${ether} for ${held}, with ${market.nobodys} of nobody`);
  for (const [index, task] of tasks.entries()) {
    const user = users[index]!;
    if (task?.state === "Settled" && task.paid !== task.fee)
      wrong.push(`task ${formatTaskId(user.id)} is settled for ${task.paid} of ${task.fee}`);
  }
  const { provider } = market.service;
  const { subAccounts } = await getAccount(client, { account: provider });
  const reserved = subAccounts.find((sub) => sub.provider === provider)?.reserved ?? 0n;
  const open = users.filter((user) => !user.hasEnded()).length;
  if (open === 0 && reserved !== market.bonds) wrong.push(`bond of ${provider} still held`);
  return wrong;
}

async function allEvents(market: FaultFixture): Promise<TaskEvent[]> {
  const client = market.client(2);
  const toBlock = await client.provider.getBlockNumber();
  const provider = market.provider.address;
  return searchTaskEvents(client, { provider, fromBlock: 0, toBlock });
}

/** Neuron that users got because the provider gave up their tasks. */
async function compensationsOf(market: FaultFixture): Promise<Map<string, bigint>> {
  const events = await allEvents(market);
  const failed = events.filter((event) => event.name === "TaskFailed");
  return new Map(failed.map(({ id, compensation }) => [id, compensation]));
}

/** What remains when no task is open. */
const KEPT =
  /^(state\.db(-wal|-shm)?|model-hashes\.json|system-calls\.bpf|jobs\/layout-2)$|\/(events\.jsonl|result\.json)$/;

/** Files that a run left behind: those that should have been removed, and temporary ones. */
function leftFiles(stateDirectory: string): string[] {
  return readdirSync(stateDirectory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(stateDirectory.length + 1))
    .filter((path) => !KEPT.test(path));
}
