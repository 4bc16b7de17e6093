import { appendFile, open, truncate } from "node:fs/promises";
import { PROVIDER, parseEvent, readLines } from "./trainerEvents.ts";

/** An event that has no number yet. */
export type NewEvent = { readonly type: string; readonly [name: string]: unknown };

/**
 * The journal of a job: the daemon's own file, which log, API and tracker read. transcribeEvents.ts copies the events
 * of the training run into it, and the daemon adds its own warnings.
 */
export class Journal {
  readonly #path: string;
  #seq: number;
  #size: number;
  /** Number of the training run's events in it. */
  readonly transcribed: number;

  private constructor(path: string, seq: number, size: number, transcribed: number) {
    this.#path = path;
    this.#seq = seq;
    this.#size = size;
    this.transcribed = transcribed;
  }

  /** Opens a journal for exclusive writing, and truncates an incomplete last line that a crash has left. */
  static async open(path: string): Promise<Journal> {
    let seq = 0;
    let size = 0;
    let transcribed = 0;
    for await (const line of readLines(path)) {
      const event = parseEvent(line);
      seq = event?.seq ?? seq;
      size += Buffer.byteLength(line) + 1;
      if (event && event.by !== PROVIDER) transcribed++;
    }
    await cutOff(path, size);
    return new Journal(path, seq, size, transcribed);
  }

  /** In bytes. */
  get size(): number {
    return this.#size;
  }

  /** Appends events with consecutive numbers. After a failure the journal must be opened again. */
  async append(events: readonly NewEvent[]): Promise<void> {
    if (events.length === 0) return;
    const lines = events.map((event) => `${JSON.stringify({ seq: ++this.#seq, ...event })}\n`);
    const text = lines.join("");
    await appendFile(this.#path, text, { mode: 0o600 });
    this.#size += Buffer.byteLength(text);
  }

  /** Appends a warning of the daemon. */
  warn(message: string): Promise<void> {
    const time = new Date().toISOString();
    return this.append([{ time, type: "warning", by: PROVIDER, message }]);
  }
}

/** Appends a warning to the journal of a job whose training is not running. */
export async function appendWarning(path: string, message: string): Promise<void> {
  await (await Journal.open(path)).warn(message);
}

async function cutOff(path: string, size: number): Promise<void> {
  const file = await open(path).catch(() => null);
  if (!file) return;
  try {
    if ((await file.stat()).size > size) await truncate(path, size);
  } finally {
    await file.close();
  }
}
