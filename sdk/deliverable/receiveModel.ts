import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type Client, requireSigner } from "../client.ts";
import { geometryOf } from "../exchange/geometry.ts";
import type { TaskId } from "../ids.ts";
import { checkOutput } from "../storage/files/checkOutput.ts";
import { ensureDiskSpace } from "../storage/files/ensureDiskSpace.ts";
import { partPathOf } from "../storage/files/publishFile.ts";
import type { OnProgress } from "../storage/files/rootOfContent.ts";
import { getTask } from "../task/getTask.ts";
import type { Task } from "../task/Task.ts";
import { waitForStep } from "../task/waitForStep.ts";
import { send } from "../transaction/send.ts";
import { acknowledge } from "./calls.ts";
import { confirmUnlessSettled } from "./confirmUnlessSettled.ts";
import { downloadDeliverable, holdsDeliverable } from "./downloadDeliverable.ts";
import { holdsModel, openDeliverable } from "./openDeliverable.ts";
import { awaitsAcknowledgement, prepareAcknowledgement } from "./prepareAcknowledgement.ts";

export interface ReceiveModelParameters {
  readonly id: TaskId;
  /** Path for the decrypted archive, a zip file; no other file may be there. */
  readonly outputPath: string;
  /** The task key that it was ordered with, if it was. */
  readonly taskKey?: Uint8Array | undefined;
  /** Milliseconds to wait for the delivery and, again, for the key; default: no limit, as the chain has deadlines. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of downloaded bytes, including those of earlier attempts. */
  readonly onProgress?: OnProgress | undefined;
}

/** A model on disk. */
export interface ReceivedModel {
  /** Path of the decrypted archive: the target if the given one is a link. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Hash of the transaction; null if it was acknowledged before. */
  readonly acknowledged: string | null;
  /** Hash of the transaction; null if the task was settled before, or another wallet ordered it. */
  readonly confirmed: string | null;
}

/**
 * Takes a delivery: waits for it, downloads and acknowledges it, waits for the key, decrypts and verifies it, and
 * confirms it, which pays the provider. The encrypted model is at `<outputPath>.encrypted` until then. Whatever was
 * interrupted, another call with the same parameters continues. After the deadline, the rest of the fee is reserved
 * again, and the provider's bond no longer covers it.
 * @throws ProtocolError like waitForStep, downloadDeliverable and openDeliverable; "usage" if another file is at a path.
 * PageMismatchError if the model is not what the provider committed to: nothing is confirmed, and the proof that gets
 * the fee back can be built from the encrypted model, as below.
 * @example
 * try {
 *   const { path } = await receiveModel(client, { id, outputPath: "model.zip" });
 *   console.log(`The model is in ${path}`);
 * } catch (error) {
 *   if (!(error instanceof PageMismatchError)) throw error;
 *   const encrypted = { task: await getTask(client, { id }), encryptedPath: "model.zip.encrypted" };
 *   const proof = await findMisbehaviour(client, { ...encrypted, page: error.page });
 *   await send(client, proveMisbehaviour(client, { id, proof }));
 * }
 */
export async function receiveModel(
  client: Client,
  { id, outputPath, taskKey, timeout, signal, onProgress }: ReceiveModelParameters,
): Promise<ReceivedModel> {
  const waiting = { id, timeout, signal };
  const delivered = await waitForStep(client, { ...waiting, step: "acknowledge" });
  const isResult = (place: string) => holdsModel(client, delivered, place);
  const { path, isDone } = await checkOutput(outputPath, { isResult });
  const encryptedPath = `${path}.encrypted`;
  let acknowledged: string | null = null;
  if (!isDone) {
    await download(client, delivered, encryptedPath, { signal, onProgress });
    acknowledged = await acknowledgeOnce(client, delivered);
    const task = await waitForStep(client, { ...waiting, step: "decrypt" });
    await openDeliverable(client, { task, taskKey, encryptedPath, outputPath: path, signal });
  }
  const confirmed = await confirmAsUser(client, await getTask(client, { id }));
  await rm(encryptedPath, { force: true });
  return { path, size: delivered.size, acknowledged, confirmed };
}

async function download(
  client: Client,
  task: Task,
  path: string,
  transfer: Pick<ReceiveModelParameters, "signal" | "onProgress">,
): Promise<void> {
  const isResult = (place: string) => holdsDeliverable(place, task);
  const { isDone } = await checkOutput(path, { isResult });
  const total = geometryOf(task.size).encryptedSize + task.size;
  await ensureDiskSpace(dirname(path), total, [path, partPathOf(path)]);
  if (!isDone) await downloadDeliverable(client, { task, targetPath: path, ...transfer });
}

async function acknowledgeOnce(client: Client, { id }: Task): Promise<string | null> {
  const task = await getTask(client, { id }); // the download may have taken days
  if (!awaitsAcknowledgement(task)) return null;
  for await (const { call } of prepareAcknowledgement(client, task)) await send(client, call);
  return (await send(client, acknowledge(client, task))).hash;
}

/** A wallet with the task key of another one's task cannot confirm it. */
async function confirmAsUser(client: Client, task: Task): Promise<string | null> {
  if ((await requireSigner(client).getAddress()) !== task.user) return null;
  const sent = await confirmUnlessSettled(client, task, (call) => send(client, call));
  return sent?.hash ?? null;
}
