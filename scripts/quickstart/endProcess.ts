import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  identify,
  isRunning,
  type ProcessIdentity,
} from "../../provider/processes/processTable.ts";

/** Milliseconds for a process to end after SIGTERM, and then for its remaining descendants. */
const GRACE_MS = 10_000;
const POLL_MS = 50;

/**
 * Ends exactly this process and everything that it has started: first with SIGTERM, then with SIGKILL. Nothing is done
 * if it has ended already, even if another process has the same pid.
 */
export async function endProcess(root: ProcessIdentity): Promise<void> {
  const family = [root, ...descendantsOf(root)];
  signal([root], "SIGTERM");
  await untilEnded([root]);
  family.push(...family.flatMap(descendantsOf)); // started in the meantime
  signal(family, "SIGTERM");
  await untilEnded(family);
  signal(family, "SIGKILL");
  await untilEnded(family);
}

async function untilEnded(processes: readonly ProcessIdentity[]): Promise<void> {
  const deadline = performance.now() + GRACE_MS;
  while (processes.some(isRunning) && performance.now() < deadline) await sleep(POLL_MS);
}

function signal(processes: readonly ProcessIdentity[], name: NodeJS.Signals): void {
  for (const one of processes.filter(isRunning)) {
    try {
      process.kill(one.pid, name);
    } catch {
      // it has ended in the meantime
    }
  }
}

/** Children, their children and so on, whatever their process group or session. */
function descendantsOf(root: ProcessIdentity): ProcessIdentity[] {
  if (!isRunning(root)) return [];
  const parents = parentTable();
  const found: number[] = [root.pid];
  for (const pid of found) {
    for (const [child, parent] of parents) if (parent === pid) found.push(child);
  }
  return found
    .slice(1)
    .map(identify)
    .filter((one) => one !== null);
}

/** The parent of each process. */
function parentTable(): [pid: number, parent: number][] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => [Number(pid), parentOf(pid)]);
}

/** Field 4 of /proc/<pid>/stat, counted after the command name, which may contain spaces and brackets. */
function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return 0; // ended in the meantime
  }
}
