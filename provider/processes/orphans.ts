import { createHash } from "node:crypto";
import { resolve } from "node:path";
import type { Logger } from "pino";
import type { Clock } from "../clock.ts";
import { findByEnvironment, isRunning } from "./processTable.ts";
import { terminateProcess } from "./terminateProcess.ts";

/** Name of the environment variable that marks every process started by a daemon. */
export const CHILD_MARK = "ANNEAL_CHILD_OF";

/** The variable in the environment of every process that the daemon with this PROVIDER_DIR starts. */
export function childMark(directory: string): Readonly<Record<string, string>> {
  const digest = createHash("sha256").update(resolve(directory)).digest("hex");
  return { [CHILD_MARK]: digest.slice(0, 32) };
}

/**
 * Ends the processes that a killed daemon left running: trainers, counting, online processes. None are adopted:
 * training resumes from checkpoints.
 */
export async function stopOrphans(
  mark: Readonly<Record<string, string>>,
  clock: Clock,
  log: Logger,
): Promise<void> {
  const orphans = findByEnvironment(CHILD_MARK, mark[CHILD_MARK]!);
  if (orphans.length === 0) return;
  log.info({ pids: orphans.map(({ pid }) => pid) }, "stopping the processes of an earlier run");
  await Promise.all(
    orphans.map((orphan) => terminateProcess(orphan.pid, () => !isRunning(orphan), clock)),
  );
}
