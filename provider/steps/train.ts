import { mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { formatTaskId } from "../../sdk/ids.ts";
import { writeAtomically } from "../../sdk/storage/files/publishFile.ts";
import type { FailReason } from "../../sdk/task/FailReason.ts";
import type { Hyperparameters } from "../../sdk/training/Hyperparameters.ts";
import { ProviderError, TaskRefusedError } from "../errors.ts";
import { listOutput } from "../files/JobOutput.ts";
import { INPUTS, jobPaths } from "../files/jobPaths.ts";
import { appendWarning } from "../journal/Journal.ts";
import { withTranscript } from "../journal/transcribeEvents.ts";
import { type Model, modelFiles } from "../models/Catalogue.ts";
import type { Facts, JobRecord } from "../store/Store.ts";
import { EXIT, type TrainingEnd } from "../training/Trainer.ts";
import { withinQuota } from "../training/withinQuota.ts";
import { installStartWeights } from "./parts/installStartWeights.ts";
import { readModel } from "./parts/readModel.ts";
import { requireFacts } from "./parts/requireFacts.ts";
import { requireHyperparameters } from "./parts/requireHyperparameters.ts";
import type { StepFunction } from "./parts/StepContext.ts";
import { trackTask } from "./parts/trackTask.ts";

/** Consecutive crashes without a new checkpoint after which a training run counts as failed. */
const MAX_DEATHS = 3;
/** The trainer's folders with checkpoints to resume from. */
const CHECKPOINTS = ["checkpoints", "recovery"];

/** Runs the trainer on the job directory; it resumes from the newest checkpoint if there is one. */
export const train: StepFunction = async (context, record, signal, strikes) => {
  const { id, order } = record;
  const paths = jobPaths(context.jobsDirectory, id);
  const model = readModel(context, order.modelHash);
  const hyperparameters = requireHyperparameters(order);
  await linkModel(model, paths.model);
  const start = await installStartWeights(context, record, hyperparameters, signal);
  const tracking = await trackTask(context, record, hyperparameters, signal);
  await writeJob(paths.job, model, record, hyperparameters, { start, notice: tracking.warning });
  await mkdir(paths.work, { recursive: true, mode: 0o700 });
  const { maxJobBytes: maxBytes, clock } = context;
  const quota = { directory: paths.directory, inputs: INPUTS, maxBytes, clock };
  const before = await newestCheckpoint(paths.work, maxBytes);
  const training = (stop: AbortSignal) =>
    withTranscript(paths, clock, () => context.trainer.train(id, paths.directory, stop));
  const end = await withinQuota(quota, training, signal).finally(async () => {
    if (signal.aborted) return tracking.stop();
    const warning = await tracking.end();
    if (warning && warning !== tracking.warning) await appendWarning(paths.events, warning);
  });
  signal.throwIfAborted();
  if (end.kind === "exit" && end.code === EXIT.done) return readDone(paths.result);
  if (end.kind === "exit" && end.code === EXIT.stopped) throw stoppedError();
  const reason = reasonOf(end);
  const result = await readResult(paths.result);
  if (result?.retryable) throw retryableError(result);
  if (reason !== "TrainingError") throw trainingFailedError(reason, result);
  const hasProgressed = (await newestCheckpoint(paths.work, maxBytes)) > before;
  const deaths = hasProgressed ? 1 : strikes + 1;
  if (deaths < MAX_DEATHS) throw trainerDiedError(end, deaths);
  if (!(await context.machine.isHealthy(signal))) throw trainerDiedError(end, strikes);
  signal.throwIfAborted();
  throw trainingFailedError(reason, result);
};

const Done = z.object({
  steps: z.number().int().positive(),
  total_steps: z.number().int().positive(),
});

/** How far the training got, from the transcript; nothing if it left no valid figures. */
async function readDone(path: string): Promise<Facts> {
  const { data } = Done.safeParse(await readJson(path));
  return data ? { done: { steps: data.steps, totalSteps: data.total_steps } } : {};
}

/** The step of the newest complete checkpoint; 0 if there is none. */
async function newestCheckpoint(work: string, maxBytes: number): Promise<number> {
  const listed = CHECKPOINTS.map((folder) => listOutput(work, folder, maxBytes).catch(() => []));
  const steps = (await Promise.all(listed))
    .flat()
    .map(({ path }) => Number(/\/step-(\d{1,15})\/COMPLETE$/.exec(path)?.[1] ?? 0));
  return Math.max(0, ...steps);
}

/** Creates a directory of links to the model's files, without the provider's manifest. */
async function linkModel(model: Model, target: string): Promise<void> {
  await rm(target, { recursive: true, force: true });
  for (const name of await modelFiles(model.directory)) {
    await mkdir(dirname(join(target, name)), { recursive: true });
    await symlink(join(model.directory, name), join(target, name));
  }
}

async function writeJob(
  path: string,
  model: Model,
  { id, facts }: JobRecord,
  hyperparameters: Hyperparameters,
  { start, notice }: { start: "checkpoint" | "hub" | null; notice: string | null },
): Promise<void> {
  const job = {
    version: 1,
    task_id: formatTaskId(id),
    kind: model.kind,
    model_name: model.name,
    train: requireFacts(facts, "train").train,
    validation: facts.validation ?? null,
    ...(start && { start }),
    ...(notice && { notices: [notice] }),
    hyperparameters,
  };
  const text = `${JSON.stringify(job, null, 2)}\n`;
  await writeAtomically(path, (temporary) => writeFile(temporary, text));
}

const REASONS: Record<number, FailReason> = {
  [EXIT.badConfig]: "ConfigInvalid",
  [EXIT.badData]: "DatasetInvalid",
  [EXIT.outOfMemory]: "OutOfMemory",
};

function reasonOf(end: TrainingEnd): FailReason {
  return (end.kind === "exit" && REASONS[end.code]) || "TrainingError";
}

const Result = z.object({
  message: z.string(),
  hint: z.string(),
  retryable: z.boolean().default(false),
});
type Result = z.output<typeof Result>;

/** The trainer's own message about its failure, from the transcript; null if it left none. */
async function readResult(path: string): Promise<Result | null> {
  return Result.safeParse(await readJson(path)).data ?? null;
}

const readJson = (path: string): Promise<unknown> =>
  readFile(path, "utf8")
    .then(JSON.parse)
    .catch(() => undefined);

function trainingFailedError(reason: FailReason, result: Result | null): TaskRefusedError {
  return result
    ? new TaskRefusedError(reason, result.message, result.hint)
    : new TaskRefusedError(
        reason,
        "The training failed on the provider's machine.",
        "Order again, or choose another provider; the fee was returned.",
      );
}

function stoppedError(): ProviderError {
  return new ProviderError("The trainer was stopped from outside.", {
    retryable: true,
    hint: "It will continue from its checkpoint.",
  });
}

/** A full disk, for example: retried without a limit until the deadline is near. */
function retryableError({ message, hint }: Result): ProviderError {
  return new ProviderError(message, { retryable: true, hint });
}

function trainerDiedError(end: TrainingEnd, strikes: number): ProviderError {
  const how = end.kind === "killed" ? `was killed (${end.signal})` : `exited with code ${end.code}`;
  return new ProviderError(`The trainer ${how}.`, {
    retryable: true,
    strikes,
    hint: "It will continue from its checkpoint.",
  });
}
