import { ArgumentType } from "hardhat/types/arguments";

/** An option that can be absent, which is not the same as empty. */
export const option = <const Name extends string>(
  name: Name,
  description: string,
  shortName?: string,
) => ({
  name,
  ...(shortName && { shortName }),
  description,
  type: ArgumentType.STRING_WITHOUT_DEFAULT as const,
  defaultValue: undefined,
});

export const json = { name: "json", description: "Print one JSON document on stdout" } as const;
export const dryRun = {
  name: "dryRun",
  description: "Show what would be called, and its gas; send nothing",
} as const;
export const force = {
  name: "force",
  description: "Replace the file that is there, even if it holds something else",
} as const;
export const gasPrice = option("gasPrice", "Gas price in neuron");
export const again = {
  name: "again",
  description: "Order once more what is Finished; what is still under way is never ordered twice",
} as const;
