import type { Client } from "../client.ts";
import { type StreamOptions, streamEvents } from "./streamTask.ts";

/** A state of the model that a training run has saved for its user. */
export interface Checkpoint {
  /** Steps of training that are in it. */
  readonly step: number;
  /** ISO 8601. */
  readonly time: string;
  /** SHA-256 of its files, as in the receipt. */
  readonly hash: string | null;
  /** The final one has the latest weights. */
  readonly type: "Intermediate" | "Final";
}

/**
 * Lists the checkpoints that a job has saved so far, by step.
 * @throws ProtocolError "not-found" if the provider does not know the task, "network" if it does not answer.
 * @example
 * const checkpoints = await listCheckpoints(client, { service, id });
 * console.log(checkpoints.map(({ step }) => step));
 */
export async function listCheckpoints(
  client: Client,
  { service, id, signal }: Pick<StreamOptions, "service" | "id" | "signal">,
): Promise<Checkpoint[]> {
  const saved = new Map<number, Checkpoint>();
  let isEnded = false;
  for await (const { type, time = "", step, hash } of streamEvents(client, {
    service,
    id,
    signal,
  })) {
    if (type === "done") isEnded = true;
    if (type !== "checkpoint" || typeof step !== "number") continue;
    const own = typeof hash === "string" ? hash : null;
    saved.set(step, { step, time, hash: own, type: "Intermediate" });
  }
  const last = [...saved.keys()].at(-1);
  return [...saved.values()].map((checkpoint) =>
    isEnded && checkpoint.step === last ? { ...checkpoint, type: "Final" } : checkpoint,
  );
}
