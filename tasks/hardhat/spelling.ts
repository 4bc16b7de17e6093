import { writeSync } from "node:fs";
import type { HardhatPlugin } from "hardhat/types/plugins";
import { findUnreadable } from "./findUnreadable.ts";
import { typedWords } from "./typedWords.ts";

/**
 * Explains commands and mistakes in our words: --help has groups and examples, and a misspelling a suggestion and exit
 * code 2. Hardhat itself suggests nothing and exits with 1, as for every error.
 */
export const spelling: HardhatPlugin = {
  id: "anneal:spelling",
  npmPackage: null,
  hookHandlers: { hre: () => import("./answerFirst.ts") },
  dependencies: () => {
    refuseUnreadable();
    return [];
  },
};

function refuseUnreadable(): void {
  const mistake = findUnreadable(typedWords(process.argv) ?? []);
  if (!mistake) return;
  writeSync(process.stderr.fd, `Error: ${mistake.message}\n${mistake.hint}\n`);
  process.exit(mistake.exitCode);
}
