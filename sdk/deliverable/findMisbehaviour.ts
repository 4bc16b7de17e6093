import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { buildMisbehaviourProof, type MisbehaviourProof } from "../exchange/misbehaviourProof.ts";
import { openInput } from "../storage/files/openInput.ts";
import { readFully } from "../storage/files/readFully.ts";
import { rootOfFile } from "../storage/root.ts";
import { SEGMENT_BYTES, segmentLength } from "../storage/tree/segment.ts";
import type { Task } from "../task/Task.ts";
import { deriveOpening } from "./deriveOpening.ts";

export interface FindMisbehaviourParameters {
  readonly task: Task;
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
  { task, encryptedPath, page, signal }: FindMisbehaviourParameters,
): Promise<MisbehaviourProof> {
  const opening = await deriveOpening(client, { task });
  const { root, segmentRoots, size } = await rootOfFile(encryptedPath, signal);
  if (root !== task.root) throw notTheDeliverableError(task, encryptedPath);
  const { handle } = await openInput(encryptedPath);
  try {
    const readSegment = async (index: number) => {
      const bytes = Buffer.alloc(segmentLength(index, size));
      await readFully(handle, bytes, index * SEGMENT_BYTES, encryptedPath);
      return bytes;
    };
    return await buildMisbehaviourProof({ segmentRoots, readSegment }, { ...opening, page });
  } finally {
    await handle.close();
  }
}

function notTheDeliverableError({ id }: Task, path: string): ProtocolError {
  return new ProtocolError(
    "integrity",
    `${path} is not the model that was delivered: it was changed or damaged on this machine.`,
    "Download it again.",
    { next: { verb: "downloadDeliverable", parameters: { id } } },
  );
}
