/** Why a mutant that no test notices is no gap: found by file, a part of its line, and what it puts there. */
export interface Explanation {
  readonly file: string;
  readonly line: string;
  readonly replacement: string;
  readonly because: string;
}

export const EXPLAINED: readonly Explanation[] = [
  {
    file: "Ledger.sol",
    line: "free < amount",
    replacement: "<=",
    because: "Equivalent: a shortfall of 0 takes nothing from the return queue.",
  },
];
