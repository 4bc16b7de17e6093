import { lstat, mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseTaskId } from "../../sdk/ids.ts";
import { pathExists } from "../../sdk/storage/files/pathExists.ts";
import { jobPaths, WORK_DIRECTORY } from "../files/jobPaths.ts";
import { removeTree } from "../files/removeTree.ts";
import { transcribeEnded } from "../journal/transcribeEvents.ts";

/** Output of the trainer of version 0.1.0, at the top of the job directory, where it could write everywhere. */
const WRITTEN = ["events.jsonl", "result.json", "out", "checkpoints", "recovery"];
/** The daemon's own files. */
const OWN_FILES = ["job.json", "secrets.sealed", "model.zip", "model.enc"];
const OWN_FOLDERS = ["data", "model", "start", "wandb", WORK_DIRECTORY];
/** Marks a completed migration. Next to the job directories, where no job can write it. */
const MARK = "layout-2";
const TASK_UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Migrates the job directories of version 0.1.0 to the current layout, once, while no training is running. The
 * trainer's output is moved to work/ by name, without being opened; the daemon's own names are kept if they are plain
 * files and folders; anything else is removed. An interrupted migration is repeated.
 */
export async function migrateJobs(jobsDirectory: string): Promise<void> {
  await mkdir(jobsDirectory, { recursive: true, mode: 0o700 });
  const names = await readdir(jobsDirectory);
  const jobs = names.filter((name) => TASK_UUID.test(name));
  if (!names.includes(MARK)) {
    for (const job of jobs) await adopt(join(jobsDirectory, job));
    await writeFile(join(jobsDirectory, MARK), "", { flush: true });
  }
  for (const job of jobs) await addJournal(jobPaths(jobsDirectory, parseTaskId(job)));
}

async function adopt(directory: string): Promise<void> {
  const work = join(directory, WORK_DIRECTORY);
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (!WRITTEN.includes(name) && !(await isOwn(path, name))) await removeTree(path);
  }
  await mkdir(work, { recursive: true, mode: 0o700 });
  for (const name of WRITTEN) {
    const path = join(directory, name);
    if (!(await statsOf(path))) continue;
    await removeTree(join(work, name));
    await rename(path, join(work, name));
  }
  // Version 0.1.0 put hard links to the checkpoints there, and files with two names are not read.
  const output = join(work, "out");
  if ((await statsOf(output))?.isDirectory()) await removeTree(join(output, "checkpoints"));
}

async function isOwn(path: string, name: string): Promise<boolean> {
  const stats = await statsOf(path);
  if (OWN_FILES.includes(name)) return stats?.isFile() === true && stats.nlink === 1;
  return OWN_FOLDERS.includes(name) && stats?.isDirectory() === true;
}

const statsOf = (path: string) => lstat(path).catch(() => null);

/** Creates the journal of a training run that ended before there were journals. */
async function addJournal(paths: ReturnType<typeof jobPaths>): Promise<void> {
  if (!(await pathExists(paths.events))) await transcribeEnded(paths);
}
