import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { TaskRefusedError } from "../errors.ts";
import { diskUsage } from "../files/diskUsage.ts";
import { jobPaths } from "../files/jobPaths.ts";
import { removeTree } from "../files/removeTree.ts";
import { keepCheckpoints } from "./parts/keptCheckpoints.ts";
import { publishModel } from "./parts/publishModel.ts";
import type { StepFunction } from "./parts/StepContext.ts";

/** Nothing is kept of a training run whose output is over the limits. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof TaskRefusedError)) throw error;
}

/** Most bytes of a log that is kept permanently; a normal training run writes far less. */
const MAX_LOG_BYTES = 256 * 2 ** 20;

/** Keeps a settled task's checkpoints and publishes its model, then removes all files of the job but its log. */
export const clean: StepFunction = async (context, record, signal) => {
  const paths = jobPaths(context.jobsDirectory, record.id);
  if (record.job.chain === "Settled" && !record.job.settlement) {
    // First: an order that continues from them waits for this.
    await keepCheckpoints(context, record, signal).catch(ignoreRefusal);
    await publishModel(context, record, signal);
  }
  const kept = [paths.events, paths.result, paths.offlineRun].map((path) => basename(path));
  const names = await readdir(paths.directory).catch(() => []);
  const others = names.filter((name) => !kept.includes(name));
  const hasLog = (await diskUsage(paths.directory, others, MAX_LOG_BYTES)) <= MAX_LOG_BYTES;
  for (const name of hasLog ? others : names) {
    await removeTree(join(paths.directory, name));
  }
  return {};
};
