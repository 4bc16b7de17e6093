import { readFileSync } from "node:fs";

/** What one piece of work took, in a process of its own. */
export interface Measured {
  /** The root of the file it was about. */
  readonly root: string;
  /** From start to end, without loading the code. */
  readonly seconds: number;
  /** On all cores together, in the process itself and in the kernel for it. */
  readonly cpuSeconds: number;
  /** The most memory that the process ever had. */
  readonly peakMemoryMiB: number;
}

/** Does the work, prints what it took as one JSON document, and ends the process. */
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

/** Linux counts per program; what `resourceUsage` says includes the parent's memory from before the program began. */
function peakMemory(): number {
  try {
    const [, kib] = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))!;
    return Number(kib) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
}
