import { z } from "zod";
import type { Client } from "../client.ts";
import { formatTaskId, type TaskId } from "../ids.ts";
import { printable } from "../printable.ts";
import { type Endpoint, fetchJson } from "../service/providerApi.ts";
import { signRequest } from "../service/signedRequest.ts";
import { PROGRESS } from "./progressOf.ts";

const Text = z
  .string()
  .max(2_000)
  .transform((text) => printable(text));
const Count = z.number().int().nonnegative().nullable();
const Measure = z.number().nullable();

const TaskStatus = z.object({
  /** UUID. */
  id: z.string().max(100),
  /** The daemon's own name for where the job stands. */
  state: Text,
  progress: z.enum(PROGRESS),
  /** Jobs before this one; null when it does not wait. */
  queuePosition: Count,
  /** Seconds until it gets its turn, as the provider estimates; null when it does not wait. */
  waitSeconds: Measure.optional(),
  step: Count,
  totalSteps: Count,
  epoch: Measure,
  loss: Measure,
  tokensPerSecond: Measure,
  secondsLeft: Measure,
  failure: z.object({ code: Text, message: Text, hint: Text }).nullable(),
  lossBefore: Measure,
  lossAfter: Measure,
  accuracyBefore: Measure,
  accuracyAfter: Measure,
});

/** How a job is doing, as its provider tells the task's user. Null for what is not known. */
export type TaskStatus = z.infer<typeof TaskStatus>;

export interface FetchTaskStatusParameters {
  /** The task's provider. */
  readonly service: Endpoint;
  readonly id: TaskId;
  readonly signal?: AbortSignal;
}

/**
 * Asks the provider how a task of the client's user is doing.
 * @throws ProtocolError "not-found" if the provider does not know the task, "network" if it does not answer.
 * @example const { progress, step, totalSteps } = await fetchTaskStatus(client, { service, id });
 */
export async function fetchTaskStatus(
  client: Client,
  { service, id, signal }: FetchTaskStatusParameters,
): Promise<TaskStatus> {
  const path = `/v1/tasks/${formatTaskId(id)}`;
  const headers = await signRequest(client, { method: "GET", path });
  return fetchJson(service, { path, headers, signal }, TaskStatus);
}
