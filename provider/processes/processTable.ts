import { readdirSync, readFileSync } from "node:fs";

/** The identity of a process: a pid alone may have been reused. */
export interface ProcessIdentity {
  readonly pid: number;
  /** The boot id, and the start time in clock ticks since boot: together with the pid, unique. */
  readonly startTime: string;
}

/** Field 22 of /proc/<pid>/stat, counted after the command name, which may itself contain spaces and brackets. */
const START_TIME_AFTER_NAME = 19;

/** The identity of a running process; null if there is none with this pid (or no /proc on this system). */
export function identify(pid: number): ProcessIdentity | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z") return null; // a zombie: ended, not yet reaped by its parent
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return { pid, startTime: `${boot}/${fields[START_TIME_AFTER_NAME]}` };
  } catch {
    return null;
  }
}

/** Whether exactly this process is still running. */
export function isRunning(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.startTime === identity.startTime;
}

/** All processes whose command lines end with exactly `args`. */
export function findByArguments(args: readonly string[]): ProcessIdentity[] {
  const wanted = `\0${args.join("\0")}\0`;
  return pids()
    .filter((pid) => read(pid, "cmdline").endsWith(wanted))
    .map(identify)
    .filter((identity) => identity !== null);
}

/** All other processes that were started with this variable in their environment. */
export function findByEnvironment(name: string, value: string): ProcessIdentity[] {
  const wanted = `\0${name}=${value}\0`;
  return pids()
    .filter((pid) => pid !== process.pid && `\0${read(pid, "environ")}\0`.includes(wanted))
    .map(identify)
    .filter((identity) => identity !== null);
}

function pids(): number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

function read(pid: number, what: "cmdline" | "environ"): string {
  try {
    return readFileSync(`/proc/${pid}/${what}`, "utf8");
  } catch {
    return ""; // ended meanwhile, or another user's
  }
}
