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
  /** The daemon's internal state of the job. */
  state: Text,
  progress: z.enum(PROGRESS),
  /** Jobs ahead of this one; null if it is not waiting. */
  queuePosition: Count,
  /** The provider's estimate of the seconds until it starts; null if it is not waiting. */
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

/** The status of a job, as its provider reports it to the task's user. Null means not known. */
export type TaskStatus = z.infer<typeof TaskStatus>;

export interface FetchTaskStatusParameters {
  /** The task's provider. */
  readonly service: Endpoint;
  readonly id: TaskId;
  readonly signal?: AbortSignal;
}

/**
 * Asks the provider for the status of one of the user's tasks.
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
