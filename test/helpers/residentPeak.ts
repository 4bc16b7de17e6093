import { readFileSync } from "node:fs";

/** @returns the peak resident memory of a Linux process so far, in bytes. */
export function residentPeak(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) * 1024;
}
