import { readFileSync } from "node:fs";

/** @returns the most bytes of memory that a process of Linux has had resident so far. */
export function residentPeak(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) * 1024;
}
