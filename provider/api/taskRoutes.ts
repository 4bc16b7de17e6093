import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { formatTaskId, type TaskId } from "../../sdk/ids.ts";
import type { TaskStatus } from "../../sdk/task/fetchTaskStatus.ts";
import type { Clock } from "../clock.ts";
import { jobPaths } from "../files/jobPaths.ts";
import { failureOf, hasTrainingEnded, jobProgress } from "../jobs/progress.ts";
import { slotQueue } from "../jobs/scheduler.ts";
import { estimateWait } from "../jobs/waitingTime.ts";
import { FIRST_LINE, renderEvent } from "../journal/renderLog.ts";
import { type Follow, findLast, parseEvent, readLines } from "../journal/trainerEvents.ts";
import type { JobRecord } from "../store/Store.ts";
import { ApiError } from "./ApiError.ts";
import { type Authentication, authenticate } from "./authenticate.ts";
import { StreamLimit } from "./StreamLimit.ts";

export interface TaskRoutes extends Authentication {
  readonly clock: Clock;
  readonly jobsDirectory: string;
  readonly slots: number;
  /** Aborts when the daemon stops, and ends all streams. */
  readonly signal: AbortSignal;
}

type TaskRequest = FastifyRequest<{
  Params: { id: string };
  Querystring: Record<string, string | undefined>;
}>;

/** The routes for the user of a task: status, log, events. Every request is signed by that user. */
export function addTaskRoutes(app: FastifyInstance, routes: TaskRoutes): void {
  const places = new StreamLimit();

  app.get("/v1/tasks/:id", async (request: TaskRequest) =>
    readStatus(routes, await authenticate(routes, request)),
  );

  app.get("/v1/tasks/:id/log", async (request: TaskRequest, reply) => {
    const record = await authenticate(routes, request);
    const lines = logLines(routes, record, followOf(routes, request, record));
    return stream(reply, places, record, "text/plain; charset=utf-8", lines);
  });

  app.get("/v1/tasks/:id/events", async (request: TaskRequest, reply) => {
    const record = await authenticate(routes, request);
    const lines = eventLines(routes, record, followOf(routes, request, record), afterOf(request));
    return stream(reply, places, record, "application/x-ndjson", lines);
  });
}

async function readStatus(routes: TaskRoutes, { id, job }: JobRecord): Promise<TaskStatus> {
  const { jobsDirectory } = routes;
  const paths = jobPaths(jobsDirectory, id);
  const progress = Progress.parse((await findLast(paths.events, "progress")) ?? {});
  const result = Result.parse(
    await readFile(paths.result, "utf8")
      .then(JSON.parse)
      .catch(() => ({})),
  );
  return {
    id: formatTaskId(id),
    state: job.pending ?? job.chain,
    progress: jobProgress(job, progress.step !== null),
    ...(await readQueue(routes, id)),
    step: progress.step,
    totalSteps: progress.total,
    epoch: progress.epoch,
    loss: progress.loss,
    tokensPerSecond: progress.tokens_per_second,
    secondsLeft: progress.seconds_left,
    failure: failureOf(job),
    lossBefore: result.loss_before,
    lossAfter: result.loss_after,
    accuracyBefore: result.accuracy_before,
    accuracyAfter: result.accuracy_after,
  };
}

const figure = z.number().nullable().catch(null).default(null);
const Progress = z.object({
  step: figure,
  total: figure,
  epoch: figure,
  loss: figure,
  tokens_per_second: figure,
  seconds_left: figure,
});
const Result = z.object({
  loss_before: figure,
  loss_after: figure,
  accuracy_before: figure,
  accuracy_after: figure,
});

async function readQueue(
  routes: TaskRoutes,
  id: string,
): Promise<Pick<TaskStatus, "queuePosition" | "waitSeconds">> {
  const open = routes.store.openJobs();
  const index = slotQueue(open).findIndex((record) => record.id === id);
  if (index < 0) return { queuePosition: null, waitSeconds: null };
  return { queuePosition: index, waitSeconds: await estimateWait(routes, open, index) };
}

/** The log in the style of 0G's provider. Its lines never change, so that a reader can resume after a disconnect. */
async function* logLines(
  { jobsDirectory, store }: TaskRoutes,
  { id }: JobRecord,
  follow: Follow | undefined,
): AsyncGenerator<string> {
  const uuid = formatTaskId(id);
  yield `${FIRST_LINE}\n`;
  for await (const line of readLines(jobPaths(jobsDirectory, id).events, follow)) {
    const event = parseEvent(line);
    const text = event && renderEvent(event, uuid);
    if (text) yield `${text}\n`;
  }
  const job = store.job(id)?.job;
  const failure = job && hasTrainingEnded(job) ? failureOf(job) : null;
  if (failure) yield `Task ${uuid} failed: ${failure.message} ${failure.hint}\n`;
  if (isStopped(store, id)) yield `Task ${uuid} was stopped by its user\n`;
}

/** Whether a task was settled by its user's consent before anything was delivered. */
function isStopped(store: TaskRoutes["store"], id: TaskId): boolean {
  return store.hasEvent(id, "TaskSettled") && !store.hasEvent(id, "TaskDelivered");
}

async function* eventLines(
  { jobsDirectory }: TaskRoutes,
  { id }: JobRecord,
  follow: Follow | undefined,
  after: number,
): AsyncGenerator<string> {
  for await (const line of readLines(jobPaths(jobsDirectory, id).events, follow)) {
    const event = parseEvent(line);
    if (event && event.seq > after) yield `${line}\n`;
  }
}

function followOf(
  { store, clock, signal }: TaskRoutes,
  request: TaskRequest,
  { id }: JobRecord,
): Follow | undefined {
  if (request.query.follow !== "true") return undefined;
  const hasEnded = () => {
    const record = store.job(id);
    return !record || hasTrainingEnded(record.job);
  };
  return { hasEnded, clock, signal };
}

function afterOf(request: TaskRequest): number {
  const parsed = z.coerce
    .number()
    .int()
    .nonnegative()
    .safeParse(request.query.after ?? "0");
  if (parsed.success) return parsed.data;
  throw new ApiError(400, "usage", "after is not a sequence number.", "Use the seq of an event.");
}

function stream(
  reply: FastifyReply,
  places: StreamLimit,
  { id, user }: JobRecord,
  type: string,
  lines: AsyncGenerator<string>,
): FastifyReply {
  const leave = places.take(user, id);
  if (!leave) {
    throw new ApiError(503, "too-early", "Too many logs are being followed.", "Try again later.");
  }
  const readable = Readable.from(lines);
  readable.once("close", leave);
  return reply.type(type).send(readable);
}
