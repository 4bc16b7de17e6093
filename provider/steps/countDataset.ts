import { mkdir, stat } from "node:fs/promises";
import { join, parse } from "node:path";
import { describeWork, sizeUnit } from "../../sdk/task/workUnits.ts";
import { TaskRefusedError } from "../errors.ts";
import { jobPaths } from "../files/jobPaths.ts";
import { isBeforeAcceptance } from "../machine/machine.ts";
import type { Facts, JobRecord } from "../store/Store.ts";
import type { CountedFile } from "../training/Trainer.ts";
import { readModel } from "./parts/readModel.ts";
import { requireFacts } from "./parts/requireFacts.ts";
import type { StepContext, StepFunction } from "./parts/StepContext.ts";
import { taskWork } from "./parts/taskWork.ts";

/**
 * Compares the work on the datasets with the units that the user pays for, and with the available time. Both datasets
 * are counted whatever the unit of the price: this parses them with bounded memory and time, so that malicious data
 * never takes a training slot.
 */
export const countDataset: StepFunction = async (context, record, signal) => {
  const { train, validation } = requireFacts(record.facts, "train");
  const sizes = {
    train: await countFile(context, record, { file: train }, signal),
    validation: validation
      ? await countFile(context, record, { file: validation, isValidation: true }, signal)
      : 0,
  };
  const counted = { ...record, facts: { ...record.facts, sizes } };
  verifyWork(context, counted);
  verifyTime(context, counted);
  return { sizes } satisfies Facts;
};

/** Size of a dataset of a task, in the unit of the price. */
async function countFile(
  { catalogue, jobsDirectory, trainer }: StepContext,
  { id, order, facts }: JobRecord,
  dataset: Omit<CountedFile, "tokens">,
  signal: AbortSignal,
): Promise<number> {
  const { unit } = requireFacts(facts, "unit");
  const paths = jobPaths(jobsDirectory, id);
  const file = join(paths.directory, dataset.file);
  const tokens = join(paths.tokens, `${parse(file).name}.arrow`);
  await mkdir(paths.tokens, { recursive: true, mode: 0o700 });
  const model = readModel({ catalogue }, order.modelHash);
  const counted = await trainer.countTokens(model, { ...dataset, file, tokens }, signal);
  return unit === "token" ? counted : (await stat(file)).size;
}

function verifyWork(context: StepContext, record: JobRecord): void {
  const { order, facts } = record;
  const { unit, model } = requireFacts(facts, "unit", "model");
  const { kind } = readModel(context, order.modelHash);
  const work = taskWork(record);
  if (work.sum <= order.units) return;
  throw new TaskRefusedError(
    "DatasetLargerThanDeclared",
    `The work is ${work.sum} units, more than the ${order.units} ordered: ${describeWork(work, { unit: sizeUnit(unit, kind), model })}.`,
    "Count both datasets with calculate-token, and order again with these sizes.",
  );
}

/** Measured speeds vary between tasks: only a task that needs more than twice the available time is refused. */
const TOLERANCE = 2;

function verifyTime({ times }: Pick<StepContext, "times">, record: JobRecord): void {
  const { job } = record;
  const needed = times.training(record);
  const available = job.trainingTime - times.margin(record);
  if (!isBeforeAcceptance(job) || needed === null || needed <= TOLERANCE * available) return;
  throw new TaskRefusedError(
    "ProviderBusy",
    `The training would take about ${Math.ceil(needed)} s, more than the ${available} s available.`,
    "Order again with fewer epochs or a smaller dataset, or choose another provider.",
  );
}
