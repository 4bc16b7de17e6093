import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { findByArguments } from "../processes/processTable.ts";
import { trainerArguments } from "./trainerCommand.ts";

/** Bytes of a block in the units of stat, independent of the file system's block size. */
const BLOCK = 512;
const DELETED = " (deleted)";
const VANISHED: readonly unknown[] = ["ENOENT", "ESRCH"];

/**
 * Bytes of disk used by a training run's deleted files in its job directory: `du` does not see them, and they stay
 * until the last process that has them open ends. A file that is only mapped into memory counts up to the end of the
 * mapping. If a process hides its files, the result is infinite. On a cluster the processes run on other machines and
 * do not count.
 */
export function deletedUsage(jobDirectory: string): number {
  const files = new Map<string, number>();
  const roots = findByArguments(trainerArguments(jobDirectory));
  for (const { pid, isInside } of descendantsOf(roots)) {
    try {
      for (const { inode, bytes } of [
        ...mappedFiles(pid, jobDirectory),
        ...openFiles(pid, jobDirectory),
      ])
        files.set(inode, Math.max(bytes, files.get(inode) ?? 0));
    } catch (error) {
      const isHidden = isInside && !VANISHED.includes(codeOf(error));
      if (isHidden) return Number.POSITIVE_INFINITY;
    }
  }
  return [...files.values()].reduce((sum, bytes) => sum + bytes, 0);
}

function* openFiles(pid: number, jobDirectory: string) {
  const directory = `/proc/${pid}/fd`;
  for (const name of readdirSync(directory)) {
    const descriptor = `${directory}/${name}`;
    try {
      if (!isDeletedIn(readlinkSync(descriptor), jobDirectory)) continue;
      const { ino, blocks } = statSync(descriptor);
      yield { inode: `${ino}`, bytes: blocks * BLOCK };
    } catch (error) {
      if (!VANISHED.includes(codeOf(error))) throw error; // closed meanwhile
    }
  }
}

/** A process's mappings of deleted files in the directory. A line has range, mode, offset, device, inode and path. */
function mappedFiles(pid: number, jobDirectory: string): { inode: string; bytes: number }[] {
  const lines = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  return lines.flatMap((line) => {
    const [range = "", , offset = "", , inode = "", ...path] = line.split(/ +/);
    if (!isDeletedIn(path.join(" "), jobDirectory)) return [];
    const [start, end] = range.split("-").map((address) => Number.parseInt(address, 16));
    return [{ inode, bytes: Number.parseInt(offset, 16) + end! - start! }];
  });
}

/** Paths in the sandbox are the same as outside. */
function isDeletedIn(path: string, jobDirectory: string): boolean {
  return path.endsWith(DELETED) && path.startsWith(`${jobDirectory}/`);
}

interface Process {
  readonly pid: number;
  /** Whether it runs inside a sandbox. Only bubblewrap itself, outside, may legitimately be unreadable. */
  readonly isInside: boolean;
}

/** The given processes and all their descendants. */
function descendantsOf(roots: readonly { pid: number }[]): Process[] {
  const children = Map.groupBy(processes(), ({ parent }) => parent);
  const found = new Set<number>();
  const add = (pid: number) => {
    if (found.has(pid)) return;
    found.add(pid);
    for (const child of children.get(pid) ?? []) add(child.pid);
  };
  for (const { pid } of roots) add(pid);
  const depth = (statusOf(process.pid, "NSpid") ?? "").split("\t").length;
  return [...found].map((pid) => ({
    pid,
    isInside: (statusOf(pid, "NSpid") ?? "").split("\t").length > depth,
  }));
}

function processes(): { pid: number; parent: number }[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => ({ pid: Number(pid), parent: Number(statusOf(Number(pid), "PPid")) }));
}

function statusOf(pid: number, field: string): string | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return new RegExp(`^${field}:\\t(.*)$`, "m").exec(status)?.[1] ?? null;
  } catch {
    return null; // ended meanwhile
  }
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;
