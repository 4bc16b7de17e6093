import { join } from "node:path";
import { formatTaskId, type TaskId } from "../../sdk/ids.ts";

/** Name of the only directory, within a job's directory, that the trainer writes to. */
export const WORK_DIRECTORY = "work";
/** Name of the daemon's file, within a job's directory, for the trainer's output. */
export const TRAINER_LOG = "trainer.log";

/** The trainer's inputs in a job directory: written by the daemon, read-only for the trainer. */
export const INPUTS: readonly string[] = ["job.json", "data", "tokens", "model", "start"];

/**
 * The files of one job. The trainer reads job.json, data/, tokens/, model/ and start/, and writes to work/, which is read
 * through files/JobOutput.ts only. Everything else belongs to the daemon and is not visible in the sandbox.
 */
export function jobPaths(jobsDirectory: string, id: TaskId) {
  const directory = join(jobsDirectory, formatTaskId(id));
  return {
    directory,
    data: join(directory, "data"),
    tokens: join(directory, "tokens"),
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
