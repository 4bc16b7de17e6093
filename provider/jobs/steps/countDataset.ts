import { stat } from "node:fs/promises";
import { join } from "node:path";
import { TaskRefused } from "../../errors.ts";
import type { JobRecord } from "../../store/Store.ts";
import { isBeforeAcceptance } from "../machine.ts";
import { readModel } from "../readModel.ts";
import { jobPaths, type StepContext, type StepFunction } from "../StepContext.ts";

/** Compares the dataset with the size that the user declared and paid for, and the work with the time that it has. */
export const countDataset: StepFunction = async (context, record, signal) => {
  const { id, order, facts } = record;
  const file = join(jobPaths(context.jobsDirectory, id).directory, facts.train!);
  const model = readModel(context, order.model);
  const counted =
    facts.unit === "token"
      ? await context.trainer.countTokens(model, file, signal)
      : (await stat(file)).size;
  if (BigInt(counted) <= order.units) {
    verifyTime(context, record);
    return {};
  }
  throw new TaskRefused(
    "DatasetLargerThanDeclared",
    `The dataset has ${counted} ${facts.unit}s, more than the ${order.units} declared.`,
    "Count the dataset with calculate-token and order again with that size.",
  );
};

/** Measured speeds differ from task to task: only what takes twice the time that there is counts as too much. */
const DOUBT = 2;

function verifyTime({ times }: StepContext, record: JobRecord): void {
  const { job } = record;
  const needed = times.training(record);
  const available = job.trainingTime - times.margin(record);
  if (!isBeforeAcceptance(job) || needed === null || needed <= DOUBT * available) return;
  throw new TaskRefused(
    "ProviderBusy",
    `The training would take about ${Math.ceil(needed)} s, more than the ${available} s that it may take here.`,
    "Order again with fewer epochs or a smaller dataset, or choose another provider.",
  );
}
