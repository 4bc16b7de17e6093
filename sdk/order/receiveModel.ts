import { rm } from "node:fs/promises";
import type { Client } from "../client.ts";
import { acknowledge, confirm } from "../deliverable/calls.ts";
import { downloadDeliverable } from "../deliverable/downloadDeliverable.ts";
import { openDeliverable } from "../deliverable/openDeliverable.ts";
import type { TaskId } from "../ids.ts";
import { getTask } from "../task/getTask.ts";
import { waitForStep } from "../task/waitForStep.ts";
import { UNACKNOWLEDGED } from "../taskStates.ts";
import { send } from "../transaction/send.ts";

export interface ReceiveModelParameters {
  readonly id: TaskId;
  /** Path of the zip file to write. */
  readonly path: string;
  /** Of the order, if it had one. */
  readonly taskKey?: Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * From an ordered task to its model: waits for the delivery, downloads and acknowledges it, waits for the key, decrypts
 * and verifies every page, and confirms the model, which pays the provider. Called again after an interruption, it
 * continues; the encrypted model is in `<path>.encrypted` meanwhile.
 * @throws ProtocolError like waitForStep and downloadDeliverable; PageMismatchError if the provider delivered something
 * else: findMisbehaviour and proveMisbehaviour then get the fee back. "usage" if the output exists.
 * @example await receiveModel(client, { id, path: "model.zip" });
 */
export async function receiveModel(
  client: Client,
  { id, path, taskKey, signal }: ReceiveModelParameters,
): Promise<void> {
  const encryptedPath = `${path}.encrypted`;
  const before = await getTask(client, { id });
  const isOpen = before.size === 0 || UNACKNOWLEDGED.has(before.state);
  const delivered = isOpen
    ? await waitForStep(client, { id, step: "acknowledge", signal })
    : before;
  await downloadDeliverable(client, { task: delivered, targetPath: encryptedPath, signal });
  if (isOpen) await send(client, acknowledge(client, { id, root: delivered.root! }));
  const task = await waitForStep(client, { id, step: "decrypt", signal });
  await openDeliverable(client, { task, taskKey, encryptedPath, outputPath: path, signal });
  await rm(encryptedPath, { force: true });
  if (task.state === "Revealed") await send(client, confirm(client, { id }));
}
