import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { buildMisbehaviourProof, type MisbehaviourProof } from "../exchange/misbehaviourProof.ts";
import type { Task } from "../task/Task.ts";
import { deriveOpening } from "./deriveOpening.ts";
import { withSealedFile } from "./sealedFile.ts";

export interface FindMisbehaviourParameters {
  readonly task: Task;
  /** The task key that it was ordered with, if it was. */
  readonly taskKey?: Uint8Array | undefined;
  /** The encrypted model, as it was downloaded. */
  readonly encryptedPath: string;
  /** From PageMismatchError. */
  readonly page: number;
  readonly signal?: AbortSignal;
}

/**
 * Determines who is responsible for a mismatched page, and builds the proof if it is the provider. A file with another
 * root than the acknowledged one was changed on this machine.
 * @throws ProtocolError "integrity" if the file is not the deliverable, otherwise like openDeliverable; the signal's
 * reason if aborted.
 * @example
 * const proof = await findMisbehaviour(client, { task, encryptedPath: "model.encrypted", page });
 * await send(client, proveMisbehaviour(client, { id: task.id, proof }));
 */
export async function findMisbehaviour(
  client: Client,
  { task, taskKey, encryptedPath, page, signal }: FindMisbehaviourParameters,
): Promise<MisbehaviourProof> {
  const opening = await deriveOpening(client, { task, taskKey });
  const proof = await withSealedFile(
    { path: encryptedPath, root: task.root, signal },
    async (file) => buildMisbehaviourProof(file, { ...opening, page }),
  );
  if (proof === null) throw notTheDeliverableError(task, encryptedPath);
  return proof;
}

function notTheDeliverableError({ id }: Task, path: string): ProtocolError {
  return new ProtocolError(
    "integrity",
    `${path} is not the model that was delivered: it was changed or damaged on this machine.`,
    "Download it again.",
    { next: { verb: "downloadDeliverable", parameters: { id } } },
  );
}
