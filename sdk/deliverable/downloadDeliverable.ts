import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { geometryOf } from "../exchange/geometry.ts";
import { formatTaskId } from "../ids.ts";
import { download } from "../storage/download.ts";
import type { TransferOptions } from "../storage/upload.ts";
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
  const expected = encryptedSize(task);
  const { size } = await download(client.storageUrl, task.root, targetPath, transfer);
  if (size !== expected) {
    throw unopenable(`The stored model has ${size} bytes, and ${expected} were delivered.`);
  }
  return { size };
}

/** What the size on chain makes of the encrypted file: the provider may have written any number there. */
function encryptedSize({ size }: Task): number {
  try {
    return geometryOf(size).encryptedSize;
  } catch (cause) {
    throw unopenable(`No model can have the ${size} bytes that were delivered.`, cause);
  }
}

function notDelivered({ id, provider }: Task): ProtocolError {
  const task = formatTaskId(id);
  return new ProtocolError(
    "too-early",
    `The provider has not delivered the model of task ${task}.`,
    `See where it stands: npx hardhat get-task --provider ${provider} --task ${task}`,
  );
}

/** Such a deliverable could never be opened, and an acknowledgement could not be taken back. */
function unopenable(message: string, cause?: unknown): ProtocolError {
  return new ProtocolError(
    "integrity",
    message,
    "Do not acknowledge it: most of the fee comes back when the task lapses.",
    { cause },
  );
}
