import { rm, writeFile } from "node:fs/promises";
import { writeAtomically } from "../../sdk/storage/files/publishFile.ts";
import { systemClock } from "../clock.ts";
import { openOutput, readOutput } from "../files/JobOutput.ts";
import { cleanRecord } from "./cleanRecord.ts";
import { Journal, type NewEvent } from "./Journal.ts";
import { type Follow, parseEvent } from "./trainerEvents.ts";

/** Where a training run writes its events and its result, and where the daemon keeps its copies. */
export interface Transcript {
  /** The directory that the training run may write to. */
  readonly work: string;
  readonly events: string;
  readonly result: string;
}

/** The trainer's file names. */
const EVENTS = "events.jsonl";
const RESULT = "result.json";

/** Bytes read at once. Longer lines are skipped: a normal one has a few kilobytes at most. */
const CHUNK_BYTES = 64 * 1024;
const MAX_RESULT_BYTES = 64 * 1024;
/** Most bytes read of a training run's events, and most bytes of a journal. One step takes about 250. */
const MAX_JOURNAL_BYTES = 192 * 2 ** 20;
const POLL_INTERVAL = 250;

const TOO_LONG = "The training wrote more events than the provider keeps.";

/**
 * Runs a training and copies its output: the events as they are written, the result at the end. Both are untrusted
 * data, and are limited and sanitized before the daemon keeps them.
 */
export async function withTranscript<T>(
  transcript: Transcript,
  clock: Follow["clock"],
  train: () => Promise<T>,
): Promise<T> {
  await rm(transcript.result, { force: true }); // of an earlier attempt
  const ended = new AbortController();
  const hasEnded = () => ended.signal.aborted;
  const transcribing = transcribeEvents(transcript, { hasEnded, clock, signal: ended.signal });
  try {
    return await train();
  } finally {
    ended.abort();
    await transcribing;
    await keepResult(transcript);
  }
}

/**
 * Copies the events of a training run into the daemon's journal until the run has ended. Events that the journal
 * already has, from before a restart, are skipped.
 * @throws if the journal cannot be written at the end; until then, writing is retried.
 */
async function transcribeEvents(
  { work, events }: Pick<Transcript, "work" | "events">,
  { hasEnded, clock, signal }: Follow,
): Promise<void> {
  let copy: EventCopy | null = null;
  for (;;) {
    const isLast = hasEnded(); // checked before reading, so that the last events are not missed
    try {
      copy ??= new EventCopy(work, await Journal.open(events));
      await copy.copyNew();
    } catch (error) {
      copy = null; // the journal may have an incomplete line
      if (isLast) throw error;
    }
    if (isLast) return;
    await clock.sleep(POLL_INTERVAL, signal);
  }
}

/** Copies the output of a training run that ended while the daemon was not running. */
export async function transcribeEnded(transcript: Transcript): Promise<void> {
  const ended = AbortSignal.abort();
  await transcribeEvents(transcript, { hasEnded: () => true, clock: systemClock, signal: ended });
  await keepResult(transcript);
}

/** Copies the events of a training run and remembers its position. */
class EventCopy {
  readonly #work: string;
  readonly #journal: Journal;
  /** Number of events at the beginning that the journal already has. */
  #known: number;
  /** Where the next line begins, or continues if it is being skipped. */
  #offset = 0;
  /** The current line is too long, and is being skipped. */
  #isSkipping = false;

  constructor(work: string, journal: Journal) {
    this.#work = work;
    this.#journal = journal;
    this.#known = journal.transcribed;
  }

  /** Copies new events. An incomplete last line is read again later: the trainer may truncate it. */
  async copyNew(): Promise<void> {
    if (this.#isFull()) return;
    const file = await openOutput(this.#work, EVENTS);
    if (!file) return;
    try {
      const buffer = Buffer.alloc(CHUNK_BYTES);
      while (!this.#isFull()) {
        const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, this.#offset);
        const { events, taken } = this.#take(buffer.subarray(0, bytesRead));
        await this.#journal.append(events);
        this.#offset += taken;
        if (taken === 0) return;
      }
    } finally {
      await file.close();
    }
    await this.#journal.warn(TOO_LONG);
  }

  #isFull(): boolean {
    return Math.max(this.#offset, this.#journal.size) >= MAX_JOURNAL_BYTES;
  }

  /** The events in a chunk, and how many of its bytes need not be read again. */
  #take(chunk: Buffer): { events: NewEvent[]; taken: number } {
    const events: NewEvent[] = [];
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const event = this.#isSkipping ? null : readEvent(chunk.subarray(start, end));
      this.#isSkipping = false;
      start = end + 1;
      if (event && this.#known-- <= 0) events.push(event);
    }
    // A line that fills the whole chunk is too long to keep.
    if (start === 0 && chunk.length === CHUNK_BYTES) this.#isSkipping = true;
    return { events, taken: this.#isSkipping ? chunk.length : start };
  }
}

/** A sanitized event, without its own number: the journal assigns another. */
function readEvent(line: Buffer): NewEvent | null {
  const event = parseEvent(line.toString("utf8"));
  if (!event) return null;
  const { seq: _, by: __, ...rest } = event;
  const cleaned = cleanRecord(rest);
  return { ...cleaned, type: String(cleaned.type) };
}

/** Copies the result of a training run, if there is a readable one. */
async function keepResult({ work, result }: Transcript): Promise<void> {
  const bytes = await readOutput(work, RESULT, MAX_RESULT_BYTES);
  const value = bytes && parseRecord(bytes.toString("utf8"));
  if (!value) return;
  const text = `${JSON.stringify(cleanRecord(value), null, 2)}\n`;
  await writeAtomically(result, (temporary) => writeFile(temporary, text, { mode: 0o600 }));
}

function parseRecord(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
