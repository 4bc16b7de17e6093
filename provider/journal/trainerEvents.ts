import { open, stat } from "node:fs/promises";
import { z } from "zod";
import type { Clock } from "../clock.ts";

/** Value of `by` for the daemon's own events; a training run cannot write it. */
export const PROVIDER = "provider";

/** One line of a journal: the members common to all types. */
const Event = z.looseObject({ seq: z.number().int(), type: z.string() });
export type TrainerEvent = z.infer<typeof Event>;

const CHUNK_BYTES = 64 * 1024;
const POLL_INTERVAL = 250;

/** Parses a line of the journal; null if it is not an event. */
export function parseEvent(line: string): TrainerEvent | null {
  try {
    return Event.parse(JSON.parse(line));
  } catch {
    return null;
  }
}

export interface Follow {
  /** Whether nothing further will be written. */
  readonly hasEnded: () => boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Yields the complete lines of a journal, and with `follow` also new ones until the training has ended. An incomplete
 * line left by a crash is not yielded: it is truncated when the journal is opened again.
 */
export async function* readLines(path: string, follow?: Follow): AsyncGenerator<string> {
  let offset = 0;
  for (;;) {
    const hasEnded = follow?.hasEnded() ?? true; // checked before reading, so that the last lines are not missed
    for await (const { line, end } of linesFrom(path, offset)) {
      yield line;
      offset = end;
    }
    if (hasEnded || !follow || follow.signal.aborted) return;
    await follow.clock.sleep(POLL_INTERVAL, follow.signal);
  }
}

/** The newest event of a type in the last CHUNK_BYTES of a journal, or null. */
export async function findLast(path: string, type: string): Promise<TrainerEvent | null> {
  const size = await stat(path).then(
    ({ size }) => size,
    () => 0,
  );
  const start = Math.max(0, size - CHUNK_BYTES);
  let found: TrainerEvent | null = null;
  for await (const { line } of linesFrom(path, start)) {
    const event = parseEvent(line);
    if (event?.type === type) found = event;
  }
  return found;
}

async function* linesFrom(
  path: string,
  start: number,
): AsyncGenerator<{ line: string; end: number }> {
  const file = await open(path).catch(() => null);
  if (!file) return; // nothing has been written yet
  try {
    let rest = Buffer.alloc(0);
    for (let at = start; ; ) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      for (let newline = rest.indexOf(10); newline >= 0; newline = rest.indexOf(10)) {
        const line = rest.toString("utf8", 0, newline);
        rest = rest.subarray(newline + 1);
        yield { line, end: at - rest.length };
      }
    }
  } finally {
    await file.close();
  }
}
