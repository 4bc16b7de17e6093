import { flag, option, type Parameter } from "../definition.ts";

/** Flags of every command, and of the program itself. */
export const GLOBALS = {
  network: option("localhost (the default), testnet or mainnet", { value: "NAME" }),
  help: { ...flag("Explain the command"), short: "h" },
  version: flag("Print the version"),
  showStackTraces: flag("Show where an unexpected error came from"),
} as const satisfies Record<string, Parameter>;

/** Parameters that many commands share. */

export const json = flag("Print one JSON document on stdout");
export const gasPrice = option("Gas price in neuron", { value: "NEURON" });
export const dryRun = flag("Show the call and its gas, and send nothing");
export const force = flag("Replace an existing file, even if its content is different");
export const again = flag(
  "Order again what is Finished; a task in progress is never ordered twice",
);
/** For contract wallets, and wallets whose signatures are not deterministic. */
export const newTaskKey = option(
  "File with a key in place of your wallet's signature; made if missing. Keep it: the model needs it",
  { value: "PATH" },
);
export const taskKey = option("File with the key that the task was ordered with, if it was", {
  value: "PATH",
});
/** Parameters of every command that sends a transaction. */
export const sending = { gasPrice, dryRun, json };
export const demand = flag(
  "If no storage sends the model, make the provider show on chain that it has it",
);
