import { z } from "zod";
import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { formatTaskId, type TaskId } from "../ids.ts";
import { sleep } from "../platform/index.ts";
import { printable } from "../printable.ts";
import { type Endpoint, openResponse, parseJson } from "../service/providerApi.ts";
import { signRequest } from "../service/signedRequest.ts";

/** Which job to stream, and for how long. */
export interface StreamOptions {
  /** The task's provider. */
  readonly service: Endpoint;
  readonly id: TaskId;
  /** Continue until the job has ended, and reconnect if the stream breaks; otherwise stop after what exists now. */
  readonly follow?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds before reconnecting. */
  readonly retryDelay?: number;
}

export interface StreamEventsParameters extends StreamOptions {
  /** Only events with a higher `seq`; 0 for all. */
  readonly after?: number;
}

const TrainerEvent = z.looseObject({
  /** Strictly increasing. */
  seq: z.number().int().nonnegative(),
  /** ISO 8601. */
  time: z.string().max(40).optional(),
  type: z.string().max(40),
});

/** One event of a job; the fields other than these three depend on its type. */
export type TrainerEvent = z.infer<typeof TrainerEvent>;

/** Failed attempts in a row to reach the provider before a followed stream ends with an error. */
const MAX_FAILURES = 5;

/** Characters after which a line is split, so that a provider cannot exhaust memory. */
const MAX_LINE_LENGTH = 65_536;

/**
 * Reads a job's log line by line.
 * @throws ProtocolError "not-found" if the provider does not know the task, "network" if it does not answer.
 * @example
 * for await (const line of streamLog(client, { service, id, follow: true })) {
 *   console.log(line);
 * }
 */
export async function* streamLog(client: Client, options: StreamOptions): AsyncGenerator<string> {
  const resource = options.follow ? "log?follow=true" : "log";
  let seen = 0;
  const lines = withReconnects(options, async function* () {
    let position = 0;
    for await (const line of readLines(client, options, resource)) {
      if (position++ < seen) continue;
      seen = position;
      yield printable(line);
    }
  });
  yield* lines;
}

/**
 * Reads a job's events with a number above `after`, in order.
 * @throws ProtocolError "not-found" if the provider does not know the task, "network" if it does not answer.
 * @example
 * for await (const { type, seq } of streamEvents(client, { service, id, follow: true })) {
 *   console.log(seq, type);
 * }
 */
export async function* streamEvents(
  client: Client,
  { after = 0, ...options }: StreamEventsParameters,
): AsyncGenerator<TrainerEvent> {
  const follow = options.follow ? "follow=true&" : "";
  let last = after;
  const lines = withReconnects(options, () =>
    readLines(client, options, `events?${follow}after=${last}`),
  );
  for await (const line of lines) {
    const event = parseEvent(options.service, line);
    if (event.seq <= last) continue;
    last = event.seq;
    yield event;
  }
}

function parseEvent(service: Endpoint, line: string): TrainerEvent {
  const clean = (_key: string, value: unknown) =>
    typeof value === "string" ? printable(value) : value;
  return parseJson(service, Buffer.from(line), TrainerEvent, "a request for events", clean);
}

/** The connection broke after the provider had answered. */
class ConnectionLostError extends ProtocolError {
  constructor({ provider }: Endpoint, cause: unknown) {
    super(
      "network",
      `The connection to provider ${provider} was lost.`,
      "Try again: the task continues.",
      { cause },
    );
  }
}

/** Yields what `open()` yields. If a followed stream breaks, opens it again as long as the provider answers. */
async function* withReconnects(
  { follow, signal, retryDelay = 1_000 }: StreamOptions,
  open: () => AsyncIterable<string>,
): AsyncGenerator<string> {
  for (let failures = 0; ; ) {
    try {
      return yield* open();
    } catch (error) {
      failures = error instanceof ConnectionLostError ? 0 : failures + 1;
      const isTransient = error instanceof ProtocolError && error.code === "network";
      if (!follow || !isTransient || failures > MAX_FAILURES) throw error;
    }
    await sleep(retryDelay, signal);
  }
}

/** Opens a stream of the task with a new signature, and yields its lines. */
async function* readLines(
  client: Client,
  { service, id, signal }: StreamOptions,
  resource: string,
): AsyncGenerator<string> {
  const path = `/v1/tasks/${formatTaskId(id)}/${resource}`;
  const headers = await signRequest(client, { method: "GET", path });
  const response = await openResponse(service, { path, headers, signal });
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const part of response.body ?? []) {
      const lines = (rest + decoder.decode(part, { stream: true })).split("\n");
      rest = lines.pop()!;
      yield* lines;
      if (rest.length > MAX_LINE_LENGTH) {
        yield rest;
        rest = "";
      }
    }
  } catch (cause) {
    signal?.throwIfAborted();
    throw new ConnectionLostError(service, cause);
  }
  if (rest !== "") yield rest;
}
