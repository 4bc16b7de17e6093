import { setTimeout as sleep } from "node:timers/promises";
import { type Client, requireSigner } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { formatTaskId, type TaskId } from "../../sdk/ids.ts";
import { createTask } from "../../sdk/task/calls.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { readCreation } from "../../sdk/task/getTaskOrder.ts";
import type { RecordedOrder, TaskOrder } from "../../sdk/task/TaskOrder.ts";
import { isSameConfig } from "../../sdk/training/parseHyperparameters.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { untilInterrupted } from "../terminal/untilInterrupted.ts";
import { type SendingFlags, submit } from "./submit.ts";

/** An order with the id of its task, which is known in advance because the order contains the task's number. */
interface PreparedOrder {
  readonly id: TaskId;
  readonly order: TaskOrder;
}

/** Milliseconds within which a transaction whose answer was lost should get into a block, and between two polls. */
const TIMEOUT_MS = 30_000;
const POLL_INTERVAL_MS = 500;

/**
 * Sends an order. If its answer is lost, or another run of the same command was faster, looks up the task on chain by
 * its id.
 * @throws ProtocolError "network" or "timed-out" if it remains unknown whether there is a task; "declined" on Ctrl-C.
 */
export async function sendOrder(
  client: Client,
  prepared: PreparedOrder,
  flags: SendingFlags,
  terminal: Terminal,
  { timeout = TIMEOUT_MS }: { timeout?: number } = {},
) {
  const { id, order } = prepared;
  const uuid = formatTaskId(id);
  const interrupted = unknownOutcomeError("declined", uuid, "the command was interrupted.");
  return untilInterrupted(interrupted, (signal) => {
    if (!flags.dryRun) terminal.say("Creating task...");
    const sending = submit(client, createTask(client, { order }), { order }, flags, terminal).catch(
      async (error) => {
        const isUnknown = error instanceof ProtocolError && isLost(error);
        const mayExist = isUnknown || (await hasPending(client));
        if (mayExist) terminal.note(`${error.message} Looking for task ${uuid} on chain…`);
        const placed = await findPlaced(client, prepared, mayExist ? timeout : 0, signal);
        if (placed) return placed;
        throw isUnknown ? unknownOutcomeError(error.code, uuid, error.message, error) : error;
      },
    );
    return Promise.race([sending, aborted(signal)]);
  });
}

/** Not a refusal: the transaction may be in a block, or still get into one. */
const isLost = ({ code }: ProtocolError) => code === "network" || code === "timed-out";

/** A refusal may be caused by the same task, sent by an earlier run and not in a block yet. */
async function hasPending(client: Client): Promise<boolean> {
  const address = await requireSigner(client).getAddress();
  const count = (blockTag: string) => client.provider.getTransactionCount(address, blockTag);
  const [sent, mined] = await Promise.all([count("pending"), count("latest")]).catch(() => [0, 0]);
  return sent > mined;
}

/** Polls for the task until it exists or the timeout passes; null if it was not found. */
async function findPlaced(
  client: Client,
  { id, order }: PreparedOrder,
  timeout: number,
  signal: AbortSignal,
) {
  const end = performance.now() + timeout;
  for (;;) {
    const created = await findCreation(client, id);
    if (created) return isSame(order, created.order) ? sentBy(created) : null;
    if (performance.now() >= end) return null;
    await sleep(Math.min(POLL_INTERVAL_MS, timeout), undefined, { signal });
  }
}

/** Null if the node does not show the task, for whatever reason. */
async function findCreation(client: Client, id: TaskId) {
  try {
    return await readCreation(client, await getTask(client, { id }));
  } catch {
    return null;
  }
}

const sentBy = (event: { transactionHash: string; blockNumber: number }) => ({
  dryRun: false as const,
  transaction: event.transactionHash,
  blockNumber: event.blockNumber,
});

/** The number may have been used by another order of the same user. */
const isSame = (a: TaskOrder, b: RecordedOrder) =>
  isSameConfig(b.config, a.config) &&
  (["modelHash", "datasetRoot", "validationRoot", "units"] as const).every(
    (field) => a[field] === b[field],
  );

const aborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });

function unknownOutcomeError(
  code: ProtocolError["code"],
  uuid: string,
  why: string,
  cause?: unknown,
) {
  return new ProtocolError(
    code,
    `It is not known whether task ${uuid} was created: ${why}`,
    "It may still get into a block. Run the same command again: it continues with the task if there is one, and orders it otherwise. It is never paid twice.",
    { cause },
  );
}
