import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Mutant } from "./mutants.ts";

export type Verdict = "killed" | "survived" | "does not compile";

/** Verdicts on mutants, kept in a file so that hours of testing survive an interrupted run. */
export interface Verdicts {
  has(mutant: Mutant): boolean;
  get(mutant: Mutant): Verdict | undefined;
  put(mutant: Mutant, verdict: Verdict): void;
}

const CACHE = resolve(import.meta.dirname, "../../cache");

/**
 * Verdicts of an earlier run on the same contracts, without survivors, because a new test may kill them.
 * @param contracts paths of all contracts, in a fixed order
 */
export function openVerdicts(contracts: readonly string[]): Verdicts {
  const path = join(CACHE, `mutation-${fingerprint(contracts)}.jsonl`);
  const known = new Map<string, Verdict>();
  mkdirSync(CACHE, { recursive: true });
  for (const line of existsSync(path) ? readFileSync(path, "utf8").split("\n") : []) {
    if (!line.endsWith("}")) continue; // the incomplete last line of a killed run
    const { key, verdict } = JSON.parse(line) as { key: string; verdict: Verdict };
    known.set(key, verdict);
  }
  for (const [key, verdict] of known) if (verdict === "survived") known.delete(key);
  return {
    has: (mutant) => known.has(keyOf(mutant)),
    get: (mutant) => known.get(keyOf(mutant)),
    put(mutant, verdict) {
      known.set(keyOf(mutant), verdict);
      appendFileSync(path, `${JSON.stringify({ key: keyOf(mutant), verdict })}\n`);
    },
  };
}

function fingerprint(files: readonly string[]): string {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}

function keyOf({ file, start, end, replacement }: Mutant): string {
  return `${file}:${start}:${end}:${replacement}`;
}
