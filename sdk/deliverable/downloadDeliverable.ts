import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { geometryOf } from "../exchange/geometry.ts";
import { formatTaskId } from "../ids.ts";
import { download } from "../storage/download.ts";
import { rootOfFile } from "../storage/root.ts";
import type { TransferOptions } from "../storage/transfer/TransferOptions.ts";
import type { Task } from "../task/Task.ts";

export interface DownloadDeliverableParameters extends TransferOptions {
  readonly task: Task;
  /** Path for the encrypted model. */
  readonly targetPath: string;
}

/** The file that was downloaded. */
export interface DownloadedDeliverable {
  /** Bytes of the encrypted model. */
  readonly size: number;
}

/**
 * Downloads the encrypted model of a task and verifies that it is the deliverable, so that it can be acknowledged. An
 * interrupted download resumes.
 * @throws ProtocolError "too-early" before delivery, "integrity" if the bytes do not match the chain, otherwise like
 * download.
 * @example
 * await downloadDeliverable(client, { task, targetPath: "model.encrypted" });
 * await send(client, acknowledge(client, { id: task.id, root: task.root! }));
 */
export async function downloadDeliverable(
  client: Client,
  { task, targetPath, ...transfer }: DownloadDeliverableParameters,
): Promise<DownloadedDeliverable> {
  if (task.root === null) throw notDeliveredError(task);
  const expected = geometryOf(task.size).encryptedSize;
  const { size } = await download(client.storageUrl, task.root, targetPath, transfer);
  if (size !== expected) throw wrongSizeError(size, expected);
  return { size };
}

/**
 * Whether the file is exactly the encrypted model of a task.
 * @example const isThere = await holdsDeliverable("model.encrypted", task);
 */
export async function holdsDeliverable(path: string, { root, size }: Task): Promise<boolean> {
  if (root === null) return false;
  const stored = await rootOfFile(path).catch(() => undefined);
  return stored?.root === root && stored.size === geometryOf(size).encryptedSize;
}

function notDeliveredError({ id }: Task): ProtocolError {
  return new ProtocolError(
    "too-early",
    `The provider has not delivered the model of task ${formatTaskId(id)}.`,
    "See the state of the task.",
    { next: { verb: "getTask", parameters: { id } } },
  );
}

/** Such a deliverable can never be decrypted, and an acknowledgement cannot be revoked. */
function wrongSizeError(stored: number, delivered: number): ProtocolError {
  return new ProtocolError(
    "integrity",
    `The stored model has ${stored} bytes, but ${delivered} were delivered.`,
    "Do not acknowledge it: most of the fee is returned when the task lapses.",
  );
}
