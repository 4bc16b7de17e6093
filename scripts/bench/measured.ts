import { readFileSync } from "node:fs";

/** Measurements of one task, in its own process. */
export interface Measured {
  /** The root of the file. */
  readonly root: string;
  /** Wall time, without loading the code. */
  readonly seconds: number;
  /** CPU time on all cores, user and system. */
  readonly cpuSeconds: number;
  /** Peak memory of the process. */
  readonly peakMemoryMiB: number;
}

/** Does the work, prints the measurements as one JSON document, and ends the process. */
export async function measured(work: () => Promise<string>): Promise<never> {
  const [started, cpu] = [performance.now(), process.cpuUsage()];
  const root = await work();
  const seconds = (performance.now() - started) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const document: Measured = {
    root,
    seconds,
    cpuSeconds: (user + system) / 1_000_000,
    peakMemoryMiB: peakMemory(),
  };
  await new Promise((resolve) => process.stdout.write(`${JSON.stringify(document)}\n`, resolve));
  process.exit();
}

/** Linux counts per program; `resourceUsage` includes the parent's memory from before exec. */
function peakMemory(): number {
  try {
    const [, kib] = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))!;
    return Number(kib) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
}
