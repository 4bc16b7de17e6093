import { writeSync } from "node:fs";
import type { HardhatPlugin } from "hardhat/types/plugins";
import { twoLetterFlag } from "../flags/twoLetterFlag.ts";
import { typedWords } from "./typedWords.ts";

/**
 * Answers misspelled commands and flags with the one that was meant and exit code 2. Hardhat itself stops at them too,
 * but names no alternative and exits 1, as it does for everything.
 */
export const spelling: HardhatPlugin = {
  id: "anneal:spelling",
  npmPackage: null,
  hookHandlers: { hre: () => import("./checkSpelling.ts") },
  dependencies: () => {
    refuseTwoLetters(); // Hardhat stops at these before it calls any hook
    return [];
  },
};

function refuseTwoLetters(): void {
  const mistake = twoLetterFlag(typedWords(process.argv) ?? []);
  if (!mistake) return;
  writeSync(process.stderr.fd, `Error: ${mistake.message}\n${mistake.hint}\n`);
  process.exit(mistake.exitCode);
}
