import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { formatTaskId, type TaskId } from "../ids.ts";
import { printable } from "../printable.ts";
import { type Endpoint, openResponse, parseJson } from "../service/providerApi.ts";
import { signRequest } from "../service/signedRequest.ts";

/** Which job is followed, and for how long. */
export interface StreamOptions {
  /** The task's provider. */
  readonly service: Endpoint;
  readonly id: TaskId;
  /** Go on until the job has ended; otherwise end with what there is. A stream that breaks is taken up. */
  readonly follow?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds before a broken stream is opened again. */
  readonly retryDelay?: number;
}

export interface StreamEventsParameters extends StreamOptions {
  /** Only events with a higher `seq`; 0 for all. */
  readonly after?: number;
}

const TrainerEvent = z.looseObject({
  /** Strictly rising. */
  seq: z.number().int().nonnegative(),
  /** ISO 8601. */
  time: z.string().max(40).optional(),
  type: z.string().max(40),
});

/** One event of a job; the fields beside these three depend on its type. */
export type TrainerEvent = z.infer<typeof TrainerEvent>;

/** Times in a row that a provider may fail to answer before a followed stream ends in an error. */
const MAX_FAILURES = 5;

/** Characters after which a line is cut in two: what a provider sends must not fill the memory. */
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
  const lines = takeUp(options, async function* () {
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
 * Reads a job's events after the one numbered `after`, in their order.
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
  const lines = takeUp(options, () => readLines(client, options, `events?${follow}after=${last}`));
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

/** The provider answered and then broke off. */
class BrokenOff extends ProtocolError {
  constructor({ provider }: Endpoint, cause: unknown) {
    super(
      "network",
      `The connection to provider ${provider} broke off.`,
      "Try again: the task goes on.",
      { cause },
    );
  }
}

/** Yields what `open()` yields; where it is followed and breaks, opens it again while the provider answers. */
async function* takeUp(
  { follow, signal, retryDelay = 1_000 }: StreamOptions,
  open: () => AsyncIterable<string>,
): AsyncGenerator<string> {
  for (let failures = 0; ; ) {
    try {
      return yield* open();
    } catch (error) {
      failures = error instanceof BrokenOff ? 0 : failures + 1;
      const isPassing = error instanceof ProtocolError && error.code === "network";
      if (!follow || !isPassing || failures > MAX_FAILURES) throw error;
    }
    await sleep(retryDelay, undefined, signal ? { signal } : {}).catch(() =>
      signal?.throwIfAborted(),
    );
  }
}

/** Opens a stream of the task with a signature of its own, and yields it line by line. */
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
    throw new BrokenOff(service, cause);
  }
  if (rest !== "") yield rest;
}
