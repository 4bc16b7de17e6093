import { execFile } from "node:child_process";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseTaskId } from "../../sdk/ids.ts";
import { WORK_DIRECTORY } from "../files/jobPaths.ts";
import { EXIT, type Trainer } from "./Trainer.ts";
import { type TrainerProgram, trainerEnvironment } from "./trainerCommand.ts";

/** No task has this id. */
const NO_TASK = parseTaskId("00000000-0000-0000-0000-000000000000");
/** Milliseconds: a probe takes seconds, but may have to wait in a cluster's queue. */
const TIMEOUT_MS = 10 * 60_000;
const MODEL = "tiny-qwen2";
const ROWS = '{"text":"Once upon a time."}\n{"text":"The end."}\n';

const run = promisify(execFile);

/** Trains a tiny model on two rows in the same way as a task. @returns whether that succeeded. */
export async function probeTrainer(
  trainer: Pick<Trainer, "train">,
  program: TrainerProgram,
  directory: string,
  signal: AbortSignal,
): Promise<boolean> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const job = join(directory, "job");
  await rm(directory, { recursive: true, force: true });
  for (const name of ["data", WORK_DIRECTORY])
    await mkdir(join(job, name), { recursive: true, mode: 0o700 });
  const models = join(directory, "models");
  await run(program.python, ["-m", "anneal_trainer.tiny_models", models], {
    env: trainerEnvironment(program),
    signal: deadline,
    killSignal: "SIGKILL",
  });
  await cp(join(models, MODEL), join(job, "model"), { recursive: true });
  await writeFile(join(job, "data/train.jsonl"), ROWS);
  await writeFile(join(job, "job.json"), JSON.stringify(JOB));
  const end = await trainer.train(NO_TASK, job, deadline);
  return end.kind === "exit" && end.code === EXIT.done;
}

const JOB = {
  version: 1,
  task_id: "00000000-0000-0000-0000-000000000000",
  kind: "causal-lm",
  model_name: MODEL,
  train: "data/train.jsonl",
  validation: null,
  hyperparameters: { n_epochs: 1 },
};
