import { writeSync } from "node:fs";
import type { HardhatPlugin } from "hardhat/types/plugins";
import { twoLetterFlag } from "../flags/twoLetterFlag.ts";
import { typedWords } from "./typedWords.ts";

/**
 * Suggests the intended command or flag for a misspelling, and exits with 2. Hardhat itself suggests nothing and exits
 * with 1, as for every error.
 */
export const spelling: HardhatPlugin = {
  id: "anneal:spelling",
  npmPackage: null,
  hookHandlers: { hre: () => import("./checkSpelling.ts") },
  dependencies: () => {
    refuseTwoLetters(); // Hardhat fails on these before it calls any hook
    return [];
  },
};

function refuseTwoLetters(): void {
  const mistake = twoLetterFlag(typedWords(process.argv) ?? []);
  if (!mistake) return;
  writeSync(process.stderr.fd, `Error: ${mistake.message}\n${mistake.hint}\n`);
  process.exit(mistake.exitCode);
}
