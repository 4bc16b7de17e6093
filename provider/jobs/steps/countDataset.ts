import { stat } from "node:fs/promises";
import { join } from "node:path";
import { TaskRefused } from "../../errors.ts";
import { readModel } from "../readModel.ts";
import { jobPaths, type StepFunction } from "../StepContext.ts";

/** Compares the dataset with the size that the user declared and paid for. */
export const countDataset: StepFunction = async (context, { id, order, facts }, signal) => {
  const file = join(jobPaths(context.jobsDirectory, id).directory, facts.train!);
  const model = readModel(context, order.model);
  const counted =
    facts.unit === "token"
      ? await context.trainer.countTokens(model, file, signal)
      : (await stat(file)).size;
  if (BigInt(counted) <= order.units) return {};
  throw new TaskRefused(
    "DatasetLargerThanDeclared",
    `The dataset has ${counted} ${facts.unit}s, more than the ${order.units} declared.`,
    "Count the dataset with calculate-token and order again with that size.",
  );
};
