import { stat } from "node:fs/promises";
import type { Client } from "../client.ts";
import { openFile } from "../exchange/open.ts";
import { contentRootOf } from "../exchange/PageTree.ts";
import type { Service } from "../service/Service.ts";
import type { Task } from "../task/Task.ts";
import { deriveOpening } from "./deriveOpening.ts";
import { readDelivery } from "./getDelivery.ts";

export interface OpenDeliverableParameters {
  readonly task: Task;
  /** The task key that it was ordered with, if it was. */
  readonly taskKey?: Uint8Array | undefined;
  /** The encrypted model, as it was downloaded. */
  readonly encryptedPath: string;
  /** Path for the decrypted archive. */
  readonly outputPath: string;
  /** The provider's service, if it has been read: this spares a request if its offer is still that of the task. */
  readonly service?: Service | null;
  readonly signal?: AbortSignal;
}

/** The archive that was decrypted. */
export interface OpenedDeliverable {
  /** Bytes of the decrypted archive. */
  readonly size: number;
}

/**
 * Decrypts a downloaded deliverable with the wallet that ordered it. `outputPath` appears only if every page is what
 * the provider committed to.
 * @throws ProtocolError "too-early" before the key is revealed, "not-found" if the task ended without one,
 * "task-failed-by-provider" if misbehaviour was proved, "usage" for another wallet, "integrity" if this software does
 * not derive the key of the order. PageMismatchError ("integrity") if the bytes are not what was committed to:
 * findMisbehaviour determines who is responsible.
 * @example
 * const paths = { encryptedPath: "model.encrypted", outputPath: "archive.zip" };
 * await openDeliverable(client, { task, ...paths });
 * await send(client, confirm(client, { id: task.id }));
 */
export async function openDeliverable(
  client: Client,
  { task, taskKey, service = null, encryptedPath, outputPath, signal }: OpenDeliverableParameters,
): Promise<OpenedDeliverable> {
  const opening = await deriveOpening(client, { task, taskKey, service });
  await openFile(encryptedPath, outputPath, { ...opening, ...(signal ? { signal } : {}) });
  return { size: opening.size };
}

/**
 * Whether the file is exactly the decrypted archive that the provider of a task committed to.
 * @example const isThere = await holdsModel(client, task, "archive.zip");
 */
export async function holdsModel(client: Client, task: Task, path: string): Promise<boolean> {
  if (task.size < 1 || (await stat(path)).size !== task.size) return false;
  const delivery = await readDelivery(client, task);
  return delivery !== null && (await contentRootOf(path)) === delivery.contentRoot;
}
