import type { HardhatPlugin } from "hardhat/types/plugins";

/**
 * Answers misspelled commands and flags with the one that was meant and exit code 2. Hardhat itself stops at them too,
 * but names no alternative and exits 1, as it does for everything.
 */
export const spelling: HardhatPlugin = {
  id: "anneal:spelling",
  npmPackage: null,
  hookHandlers: { hre: () => import("./checkSpelling.ts") },
};
