import { writeSync } from "node:fs";
import type { HardhatPlugin } from "hardhat/types/plugins";

/** Short flags of Together's command line that have two letters, which Hardhat takes for two flags. */
const TWO_LETTERS: Readonly<Record<string, string>> = {
  "-ne": "--n-epochs",
  "-lr": "--learning-rate",
};

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
  const [, program = "", family, ...words] = process.argv;
  if (!/\b(hardhat|cli\.js)$/.test(program) || family !== "fine-tuning") return;
  const typed = words.find((word) => word in TWO_LETTERS);
  if (typed === undefined) return;
  const message = `Error: ${typed} is no flag here: a short flag has one letter.\nUse ${TWO_LETTERS[typed]}.\n`;
  writeSync(process.stderr.fd, message);
  process.exit(2);
}
