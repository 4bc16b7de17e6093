import { join } from "node:path";
import { formatTaskId, type TaskId } from "../../sdk/ids.ts";

/** The directory in a job's, by this name, is all that the trainer writes to. */
export const WORK_DIRECTORY = "work";
/** The daemon's own file in a job's directory that gets what the trainer prints. */
export const TRAINER_LOG = "trainer.log";

/** What the daemon puts into a job directory, and the trainer must not change. */
export const INPUTS: readonly string[] = ["job.json", "data", "model", "start"];

/**
 * The files of one job. The trainer reads job.json, data/, model/ and start/, and writes to work/, which is read
 * through files/JobOutput.ts alone. All else is the daemon's own, and a training in a sandbox does not see it.
 */
export function jobPaths(jobsDirectory: string, id: TaskId) {
  const directory = join(jobsDirectory, formatTaskId(id));
  return {
    directory,
    data: join(directory, "data"),
    model: join(directory, "model"),
    start: join(directory, "start"),
    job: join(directory, "job.json"),
    events: join(directory, "events.jsonl"),
    result: join(directory, "result.json"),
    work: join(directory, WORK_DIRECTORY),
    trainerLog: join(directory, TRAINER_LOG),
    published: join(directory, "published"),
    archive: join(directory, "model.zip"),
    encrypted: join(directory, "model.enc"),
    secrets: join(directory, "secrets.sealed"),
    offlineRun: join(directory, "wandb"),
  };
}
