import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../../sdk/client.ts";
import { demandChunk } from "../../sdk/deliverable/calls.ts";
import { downloadDeliverable } from "../../sdk/deliverable/downloadDeliverable.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { geometryOf } from "../../sdk/exchange/geometry.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import { CHUNK_BYTES } from "../../sdk/storage/tree/segment.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { latestBlock } from "../../sdk/transaction/latestBlock.ts";
import type { Environment } from "../Environment.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { failureError, viewTask } from "../terminal/taskView.ts";
import { untilInterrupted } from "../terminal/untilInterrupted.ts";
import { type SendingFlags, submit } from "./submit.ts";
import { transfer } from "./transfer.ts";

/** The flags of commands that download a delivery. */
export interface ReceivingFlags extends SendingFlags {
  /** Agrees to a demand in advance. */
  readonly demand: boolean;
}

interface Setting {
  readonly client: Client;
  readonly flags: ReceivingFlags;
  readonly terminal: Terminal;
  readonly environment: Environment;
}

/** Milliseconds between two looks at a task whose provider has to answer. */
const POLL_INTERVAL_MS = 1_000;

/**
 * Downloads the encrypted model of a task. If no storage sends it, the user may demand a part of it on chain: the
 * provider has to show it, or the task ends as for a key that was never published.
 * @throws ProtocolError like downloadDeliverable; "task-failed-by-provider" if the provider does not answer.
 */
export async function receiveDelivery(
  setting: Setting,
  task: Task,
  targetPath: string,
): Promise<void> {
  const { client, terminal } = setting;
  const download = () =>
    transfer(terminal, "Download", (options) =>
      downloadDeliverable(client, { task, targetPath, ...options }),
    );
  try {
    await download();
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    await demandAnswer(setting, task, error);
    terminal.say("The provider has shown that it has the model. Trying to download it again.");
    await download();
  }
}

const isUnavailable = (error: unknown): error is ProtocolError =>
  error instanceof ProtocolError && (error.code === "not-found" || error.code === "network");

/** @throws `reason` unless the provider has to answer, or the user makes it. */
async function demandAnswer(setting: Setting, { id }: Task, reason: ProtocolError): Promise<void> {
  const { client, flags, terminal } = setting;
  const task = await getTask(client, { id });
  const { timestamp } = await latestBlock(client);
  if (task.state === "Delivered" && timestamp <= task.deadline) {
    if (!flags.demand) await agree(terminal, reason);
    await demandRandomChunk(setting, task);
  } else if (task.state !== "Demanded") {
    throw reason;
  }
  await waitForAnswer(setting, await getTask(client, { id }));
}

async function agree(terminal: Terminal, reason: ProtocolError): Promise<void> {
  terminal.note(reason.message);
  const question =
    "No storage sends the model. Demand a part of it on chain? The provider then has to show it, or the fee comes back with half of its bond.";
  if (process.stdin.isTTY && process.stderr.isTTY && (await terminal.confirm(question))) return;
  const { code, message, hint, next } = reason;
  throw new ProtocolError(
    code,
    message,
    `${hint} If no storage sends the model, download it again with --demand: the provider then has to show on chain that it has it.`,
    { next, cause: reason },
  );
}

/** A chunk that the provider cannot foresee: it lacks it as often as its file has gaps. */
async function demandRandomChunk(
  { client, flags, terminal }: Setting,
  { id, size }: Task,
): Promise<void> {
  const index = randomInt(geometryOf(size).encryptedSize / CHUNK_BYTES);
  const args = { id: formatTaskId(id), index };
  await submit(client, demandChunk(client, { id, index }), args, flags, terminal);
}

async function waitForAnswer(
  { client, terminal, environment }: Setting,
  first: Task,
): Promise<void> {
  const until = new Date(first.deadline * 1_000).toISOString();
  if (first.state === "Demanded")
    terminal.say(`The provider has until ${until} to show chunk ${first.chunk} of the model.`);
  const stopped = new ProtocolError(
    "declined",
    "Waiting for the provider's answer was interrupted.",
    "Run the same command again to continue.",
  );
  const ended = await untilInterrupted(stopped, async (signal) => {
    for (let task = first; ; task = await getTask(client, task)) {
      const isLate = (await latestBlock(client)).timestamp > task.deadline;
      if (task.state !== "Demanded" || isLate) return task;
      terminal.live(`Waiting for the provider's answer, until ${until}`);
      await sleep(POLL_INTERVAL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  });
  terminal.endLive();
  if (ended.state !== "Delivered") throw failureError(await viewTask(client, ended), environment);
}
