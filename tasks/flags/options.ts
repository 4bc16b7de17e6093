import { flag, option } from "../definition.ts";

/** The parameters that many commands share. */

export const json = flag("Print one JSON document on stdout");
export const gasPrice = option("Gas price in neuron");
export const dryRun = flag("Show what would be called, and its gas; send nothing");
export const force = flag("Replace the file that is there, even if it holds something else");
export const again = flag(
  "Order once more what is Finished; what is still under way is never ordered twice",
);
/** Of every command that sends a transaction. */
export const sending = { gasPrice, dryRun, json };
