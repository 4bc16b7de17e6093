import { type Client, requireSigner } from "../client.ts";
import { type ErrorCode, ProtocolError } from "../errors.ts";
import { formatTaskId, type TaskId } from "../ids.ts";
import { sleep } from "../platform/index.ts";
import { createTask } from "../task/calls.ts";
import { getTask } from "../task/getTask.ts";
import { readCreation } from "../task/getTaskOrder.ts";
import type { PreparedOrder } from "../task/prepareOrder.ts";
import type { RecordedOrder, TaskOrder } from "../task/TaskOrder.ts";
import { isSameConfig } from "../training/parseHyperparameters.ts";
import { type SendOptions, send } from "../transaction/send.ts";

interface SendOrderOptions extends Pick<SendOptions, "gasPrice" | "onSigned"> {
  /** Milliseconds within which a transaction whose answer was lost should get into a block. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with a sentence if the task may exist and is looked for. */
  readonly onNote?: ((sentence: string) => void) | undefined;
}

/** The transaction that created a task. */
export interface SentOrder {
  readonly hash: string;
  readonly blockNumber: number;
  /** Undefined if its answer was lost. */
  readonly gasUsed?: bigint;
}

const TIMEOUT_MS = 30_000;
/** Milliseconds between two polls. */
const POLL_INTERVAL_MS = 500;

/**
 * Sends an order. If its answer is lost, or the same order was placed at the same time, looks up the task on chain by
 * its id, which is known in advance because the order contains the task's number.
 * @throws ProtocolError "network" or "timed-out" if it remains unknown whether there is a task; the signal's reason if
 * aborted, which leaves it unknown, too.
 */
export async function sendOrder(
  client: Client,
  prepared: PreparedOrder,
  { timeout = TIMEOUT_MS, signal, onNote, ...options }: SendOrderOptions = {},
): Promise<SentOrder> {
  signal?.throwIfAborted();
  const call = createTask(client, prepared);
  const sending = send(client, call, options).catch(async (error: unknown) => {
    if (!(error instanceof ProtocolError)) throw error;
    const mayExist = isLost(error) || (await hasPending(client));
    if (mayExist)
      onNote?.(`${error.message} Looking for task ${formatTaskId(prepared.id)} on chain…`);
    const placed = await findPlaced(client, prepared, mayExist ? timeout : 0, signal);
    if (placed) return placed;
    throw isLost(error)
      ? unknownOutcomeError(error.code, prepared.id, error.message, error)
      : error;
  });
  return Promise.race([sending, ...(signal ? [aborted(signal)] : [])]);
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
  signal: AbortSignal | undefined,
): Promise<SentOrder | null> {
  const end = performance.now() + timeout;
  for (;;) {
    const created = await findCreation(client, id);
    if (created) return isSame(order, created.order) ? sentBy(created) : null;
    if (performance.now() >= end) return null;
    await sleep(Math.min(POLL_INTERVAL_MS, timeout), signal);
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

const sentBy = (event: { transactionHash: string; blockNumber: number }): SentOrder => ({
  hash: event.transactionHash,
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

/** The error for an order that may have been placed, or still be. */
export function unknownOutcomeError(
  code: ErrorCode,
  id: TaskId,
  why: string,
  cause?: unknown,
): ProtocolError {
  return new ProtocolError(
    code,
    `It is not known whether task ${formatTaskId(id)} was created: ${why}`,
    "It may still get into a block. Order the same again: that continues with the task if there is one, and orders it otherwise. It is never paid twice.",
    { cause },
  );
}
