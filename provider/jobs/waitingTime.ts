import { z } from "zod";
import { jobPaths } from "../files/jobPaths.ts";
import { findLast } from "../journal/trainerEvents.ts";
import { holdsSlot } from "../machine/machine.ts";
import type { JobRecord } from "../store/Store.ts";

export interface Slots {
  readonly slots: number;
  readonly jobsDirectory: string;
}

const Progress = z.object({ seconds_left: z.number().nonnegative() });

/**
 * Estimated seconds until the job at `position` in the queue (from 0) gets a slot. A training run counts with the time
 * that it reports; one that reports none yet, and the jobs ahead in the queue, with their maximum time.
 */
export async function estimateWait(
  { slots, jobsDirectory }: Slots,
  openJobs: readonly JobRecord[],
  position: number,
): Promise<number> {
  const running = openJobs.filter(({ job }) => holdsSlot(job));
  const free = await Promise.all(running.map((record) => secondsLeft(jobsDirectory, record)));
  while (free.length < slots) free.push(0);
  const longest = Math.max(0, ...openJobs.map(({ job }) => job.trainingTime));
  // Each job ahead takes the slot that becomes free first.
  for (let ahead = 0; ahead < Math.min(position, MAX_AHEAD); ahead++) {
    const first = free.indexOf(Math.min(...free));
    free[first] = free[first]! + longest;
  }
  return Math.round(Math.min(...free));
}

/** Beyond this many jobs, an estimate would be meaningless. */
const MAX_AHEAD = 1_000;

async function secondsLeft(jobsDirectory: string, { id, job }: JobRecord): Promise<number> {
  const event = await findLast(jobPaths(jobsDirectory, id).events, "progress");
  const parsed = Progress.safeParse(event);
  return parsed.success ? Math.min(parsed.data.seconds_left, job.trainingTime) : job.trainingTime;
}
