import { stat } from "node:fs/promises";
import { join } from "node:path";
import { TaskRefusedError } from "../errors.ts";
import { jobPaths } from "../files/jobPaths.ts";
import { isBeforeAcceptance } from "../machine/machine.ts";
import type { JobRecord } from "../store/Store.ts";
import { readModel } from "./parts/readModel.ts";
import { requireFacts } from "./parts/requireFacts.ts";
import type { StepContext, StepFunction } from "./parts/StepContext.ts";

/**
 * Compares the dataset with the size that the user declared and paid for, and the work with the available time. Both
 * datasets are counted whatever the unit of the price: this parses them with bounded memory and time, so that malicious
 * data never takes a training slot.
 */
export const countDataset: StepFunction = async (context, record, signal) => {
  const { id, order } = record;
  const { train, unit, validation } = requireFacts(record.facts, "train", "unit");
  const { directory } = jobPaths(context.jobsDirectory, id);
  const model = readModel(context, order.modelHash);
  const file = join(directory, train);
  const tokens = await context.trainer.countTokens(model, { file }, signal);
  const counted = unit === "token" ? tokens : (await stat(file)).size;
  if (BigInt(counted) > order.units) throw tooLargeError(counted, unit, order.units);
  if (validation) {
    const measured = { file: join(directory, validation), isValidation: true };
    await context.trainer.countTokens(model, measured, signal);
  }
  verifyTime(context, record);
  return {};
};

function tooLargeError(counted: number, unit: string, units: bigint): TaskRefusedError {
  return new TaskRefusedError(
    "DatasetLargerThanDeclared",
    `The dataset has ${counted} ${unit}s, more than the ${units} declared.`,
    "Count the dataset with calculate-token and order again with that size.",
  );
}

/** Measured speeds vary between tasks: only a task that needs more than twice the available time is refused. */
const TOLERANCE = 2;

function verifyTime({ times }: StepContext, record: JobRecord): void {
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
