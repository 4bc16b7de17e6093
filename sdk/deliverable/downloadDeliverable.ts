import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { geometryOf } from "../exchange/geometry.ts";
import { formatTaskId } from "../ids.ts";
import { download } from "../storage/download.ts";
import { rootOfFile } from "../storage/root.ts";
import type { TransferOptions } from "../storage/transfer/TransferOptions.ts";
import type { Task } from "../task/Task.ts";

/**
 * Downloads the encrypted model of a task and checks that it is the deliverable: what arrives is worth an
 * acknowledgement. A download that was interrupted goes on where it stopped.
 * @returns bytes of the encrypted model.
 * @throws ProtocolError "too-early" before delivery, "integrity" when the bytes are not what the chain says.
 */
export async function downloadDeliverable(
  client: Client,
  { task, targetPath, ...transfer }: { task: Task; targetPath: string } & TransferOptions,
): Promise<{ size: number }> {
  if (task.root === null) throw notDelivered(task);
  const expected = geometryOf(task.size).encryptedSize;
  const { size } = await download(client.storageUrl, task.root, targetPath, transfer);
  if (size !== expected) throw unopenable(size, expected);
  return { size };
}

/** Whether the file is the encrypted model of a task, to the last byte. */
export async function holdsDeliverable(path: string, { root, size }: Task): Promise<boolean> {
  if (root === null) return false;
  const there = await rootOfFile(path).catch(() => undefined);
  return there?.root === root && there.size === geometryOf(size).encryptedSize;
}

function notDelivered({ id }: Task): ProtocolError {
  return new ProtocolError(
    "too-early",
    `The provider has not delivered the model of task ${formatTaskId(id)}.`,
    "See the state of the task.",
    { next: { verb: "getTask", parameters: { id } } },
  );
}

/** Such a deliverable could never be opened, and an acknowledgement could not be taken back. */
function unopenable(stored: number, delivered: number): ProtocolError {
  return new ProtocolError(
    "integrity",
    `The stored model has ${stored} bytes, and ${delivered} were delivered.`,
    "Do not acknowledge it: most of the fee comes back when the task lapses.",
  );
}
