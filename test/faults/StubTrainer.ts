import { appendFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Trainer, TrainingEnd } from "../../provider/training/Trainer.ts";
import type { TaskId } from "../../sdk/ids.ts";
import type { Fuse } from "./Fuse.ts";

/** Bytes of the stub's "weights": more than one segment of storage and of the cipher. */
const WEIGHTS = 300_000;

/**
 * A stub trainer that keeps its contract and learns nothing: it reads job.json and the dataset, writes events, out/ and
 * result.json, and the same job gives the same bytes.
 */
export class StubTrainer implements Trainer {
  readonly grace = 30_000;
  readonly #fuse: Fuse;
  /** Running training runs: a second one of the same task would be an orphan's work. */
  static readonly running = new Map<string, number>();
  static overlaps = 0;

  constructor(fuse: Fuse) {
    this.#fuse = fuse;
  }

  async train(_id: TaskId, jobDirectory: string, signal: AbortSignal): Promise<TrainingEnd> {
    const count = (StubTrainer.running.get(jobDirectory) ?? 0) + 1;
    if (count > 1) StubTrainer.overlaps++;
    StubTrainer.running.set(jobDirectory, count);
    try {
      return await this.#work(jobDirectory, signal);
    } finally {
      const left = StubTrainer.running.get(jobDirectory)! - 1;
      if (left === 0) StubTrainer.running.delete(jobDirectory);
      else StubTrainer.running.set(jobDirectory, left);
    }
  }

  async countTokens(): Promise<number> {
    return 1;
  }

  async checkMachine(): Promise<null> {
    return null;
  }

  async #work(directory: string, signal: AbortSignal): Promise<TrainingEnd> {
    this.#fuse.pass("training: begins");
    const job = JSON.parse(await readFile(join(directory, "job.json"), "utf8"));
    await readFile(join(directory, job.train));
    const work = join(directory, "work");
    await event(work, { seq: 1, type: "progress", step: 1, total: 2, seconds_left: 1 });
    this.#fuse.pass("training: halfway");
    if (signal.aborted) return { kind: "exit", code: 75 };
    const output = join(work, "out");
    await rm(output, { recursive: true, force: true });
    await mkdir(output, { recursive: true });
    for (const [name, bytes] of Object.entries(stubOutput())) {
      await writeFile(join(output, name), bytes);
    }
    await event(work, { seq: 2, type: "done" });
    await writeFile(join(work, "result.json"), JSON.stringify({ state: "done" }));
    this.#fuse.pass("training: ends");
    return { kind: "exit", code: 0 };
  }
}

/** The files that every training run of the stub leaves in out/. */
export function stubOutput(): Record<string, Buffer> {
  return {
    "model.safetensors": Buffer.alloc(WEIGHTS, 7),
    "receipt.json": Buffer.from("{}"),
  };
}

function event(directory: string, value: object): Promise<void> {
  return appendFile(join(directory, "events.jsonl"), `${JSON.stringify(value)}\n`);
}
