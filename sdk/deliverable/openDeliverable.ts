import { stat } from "node:fs/promises";
import type { Client } from "../client.ts";
import { openFile } from "../exchange/open.ts";
import { contentRootOf } from "../exchange/PageTree.ts";
import type { Task } from "../task/Task.ts";
import { deriveOpening } from "./deriveOpening.ts";
import { getDelivery } from "./getDelivery.ts";

/**
 * Decrypts a downloaded deliverable with the wallet that ordered it. `outputPath` appears only when every page is what
 * the provider committed to.
 * @returns bytes of the decrypted archive.
 * @throws ProtocolError as deriveOpening does; PageMismatchError ("integrity") when the bytes are not what was
 * committed to: findMisbehaviour tells whose fault that is.
 */
export async function openDeliverable(
  client: Client,
  {
    task,
    encryptedPath,
    outputPath,
    signal,
  }: { task: Task; encryptedPath: string; outputPath: string; signal?: AbortSignal },
): Promise<{ size: number }> {
  const opening = await deriveOpening(client, { task });
  await openFile(encryptedPath, outputPath, { ...opening, ...(signal ? { signal } : {}) });
  return { size: opening.size };
}

/** Whether the file is the decrypted archive of a task: what the provider committed to, to the last byte. */
export async function holdsModel(client: Client, task: Task, path: string): Promise<boolean> {
  if (task.size < 1 || (await stat(path)).size !== task.size) return false;
  const delivery = await getDelivery(client, task);
  return delivery !== null && (await contentRootOf(path)) === delivery.contentRoot;
}
