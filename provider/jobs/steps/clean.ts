import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { jobPaths, type StepFunction } from "../StepContext.ts";

/** Removes what a job leaves on disk, but for what its log is made of. */
export const clean: StepFunction = async ({ jobsDirectory }, { id }) => {
  const { directory, events, result } = jobPaths(jobsDirectory, id);
  const kept = [events, result].map((path) => basename(path));
  const names = await readdir(directory).catch(() => []);
  for (const name of names.filter((name) => !kept.includes(name))) {
    await rm(join(directory, name), { recursive: true, force: true });
  }
  return {};
};
