import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** Solidity tests to compile with changed sources and run. */
export interface BenchRequest {
  /** Test files, by their path relative to the repository's root. */
  readonly tests: readonly string[];
  /** Replacements for the content of files, by path. */
  readonly overrides: Readonly<Record<string, string>>;
}

export type BenchVerdict = "passed" | "failed" | "does not compile" | "timed out";

/** Tests that take longer are in an endless loop. */
const TIMEOUT_MS = 300_000;

/**
 * Compiles and runs Solidity tests without Hardhat, in one long-running process: several times faster than a new run
 * for every change, because neither Hardhat nor the compiler has to start again.
 */
export class TestBench {
  #child: ChildProcess | undefined;

  async run(request: BenchRequest): Promise<BenchVerdict> {
    this.#child ??= fork(join(import.meta.dirname, "testBenchProcess.ts"));
    const child = this.#child;
    const over = new AbortController();
    const late = AbortSignal.timeout(TIMEOUT_MS);
    child.send(request);
    try {
      const [verdict] = await Promise.race([
        once(child, "message", { signal: AbortSignal.any([late, over.signal]) }),
        once(child, "exit", { signal: over.signal }).then(() => ["timed out"]),
      ]);
      if (verdict === "timed out") this.#child = undefined;
      return verdict as BenchVerdict;
    } catch (error) {
      if (!late.aborted) throw error;
      this.close();
      return "timed out";
    } finally {
      over.abort();
    }
  }

  close(): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }
}
