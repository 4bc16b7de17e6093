import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { findByArguments } from "../processes/processTable.ts";
import { trainerArguments } from "./trainerCommand.ts";

/** Bytes of a block, as stat counts them whatever the file system's own are. */
const BLOCK = 512;
const DELETED = " (deleted)";
const VANISHED: readonly unknown[] = ["ENOENT", "ESRCH"];

/**
 * Bytes of disk that a training holds in files of its job directory that have no name any more: `du` does not see them,
 * and they stay until the last process that has them open ends. One that is only mapped into memory counts as far as it
 * is mapped. A process that hides its files makes it infinite. On a cluster the processes are on other machines, and are
 * not seen.
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

/** Deleted files of the directory that a process has in memory: lines of start-end, rights, offset, device, inode, path. */
function mappedFiles(pid: number, jobDirectory: string): { inode: string; bytes: number }[] {
  const lines = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  return lines.flatMap((line) => {
    const [range = "", , offset = "", , inode = "", ...path] = line.split(/ +/);
    if (!isDeletedIn(path.join(" "), jobDirectory)) return [];
    const [start, end] = range.split("-").map((address) => Number.parseInt(address, 16));
    return [{ inode, bytes: Number.parseInt(offset, 16) + end! - start! }];
  });
}

/** A sandbox keeps the names of what it shows. */
function isDeletedIn(path: string, jobDirectory: string): boolean {
  return path.endsWith(DELETED) && path.startsWith(`${jobDirectory}/`);
}

interface Process {
  readonly pid: number;
  /** Whether it is in a sandbox. What is around a sandbox, bubblewrap, may not let others look into it. */
  readonly isInside: boolean;
}

/** The given processes and all that they have started. */
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
