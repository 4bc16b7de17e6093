import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { formatTaskId, type TaskId } from "../../../../sdk/ids.ts";

export const PYTHON = resolve(".venv/bin/python");
export const PACKAGE = resolve("provider/trainer");
export const ENVIRONMENT = { PATH: process.env.PATH!, HOME: tmpdir(), OMP_NUM_THREADS: "1" };
export const ID = `0x${"5e".repeat(16)}` as TaskId;

/** A folder with the tiny models and job directories, for tests of the real trainer. */
export class TrainingFolder {
  readonly path = mkdtempSync(join(tmpdir(), "anneal-training-"));

  constructor() {
    execFileSync(PYTHON, ["-m", "anneal_trainer.tiny_models", join(this.path, "models")], {
      env: { ...ENVIRONMENT, PYTHONPATH: PACKAGE },
    });
  }

  /** A job directory as the daemon writes it: some epochs on a handful of rows. */
  job(name: string, { epochs = 2, rows = 16, devices = 1 } = {}): string {
    const directory = join(this.path, name);
    mkdirSync(join(directory, "data"), { recursive: true });
    mkdirSync(join(directory, "model"));
    mkdirSync(join(directory, "work"));
    const model = join(this.path, "models/tiny-qwen2");
    for (const file of readdirSync(model))
      symlinkSync(join(model, file), join(directory, "model", file));
    const lines = Array.from({ length: rows }, (_, i) =>
      JSON.stringify({ prompt: `What is ${i} and ${i}?`, completion: ` It is ${2 * i}.` }),
    );
    writeFileSync(join(directory, "data/train.jsonl"), `${lines.join("\n")}\n`);
    const job = {
      version: 1,
      task_id: formatTaskId(ID),
      kind: "causal-lm",
      train: "data/train.jsonl",
      validation: null,
      threads: 1,
      ...(devices > 1 && { devices }),
      hyperparameters: { n_epochs: epochs, batch_size: 2, learning_rate: 0.001 },
    };
    writeFileSync(join(directory, "job.json"), JSON.stringify(job));
    return directory;
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}

/** The trainer's events so far. */
export function eventsOf(job: string): { type: string; step?: number }[] {
  const path = join(job, "work/events.jsonl");
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line.endsWith("}")).map((line) => JSON.parse(line));
}

/** SHA-256 of the trained weights. */
export function weightsOf(job: string): string {
  return createHash("sha256")
    .update(readFileSync(join(job, "work/out/model.safetensors")))
    .digest("hex");
}
