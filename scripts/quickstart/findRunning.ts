import { sayHowToUse } from "./howToContinue.ts";
import { type KeptNetwork, readNetwork, stateOf } from "./KeptNetwork.ts";
import { takenPorts } from "./ports.ts";
import { note, title } from "./print.ts";

/**
 * Looks for a running network before anything is changed: it is never replaced.
 * @returns the exit code if there is one, or if its ports are in use; null if a network can be started.
 */
export async function findRunning(directory: string): Promise<number | null> {
  const state = await stateOf(directory);
  if (state === "starting" || state === "running" || state === "partly") {
    return report(state, (await readNetwork(directory))!);
  }
  const taken = await takenPorts();
  if (taken.length === 0) return null;
  console.error(`Port ${taken.join(" and ")} is in use by another program.`);
  console.error("End it, or run npm start without --keep, which uses other ports.");
  return 1;
}

/** @returns the exit code. */
function report(state: "starting" | "running" | "partly", network: KeptNetwork): number {
  const since = new Date(network.started).toLocaleString();
  if (state === "starting") {
    console.error("Another npm start is starting this network. Wait for it, or run npm stop.");
    return 1;
  }
  if (state === "partly") {
    console.error(`Part of the network started ${since} has ended, the rest is running.`);
    console.error("Stop the rest with npm stop, then start again.");
    return 1;
  }
  title(`The network started ${since} is running`);
  note(`chain     ${network.rpcUrl}`);
  note(`storage   ${network.storageUrl}`);
  note(`provider  ${network.apiUrl}, account ${network.provider}`);
  console.log("\nNothing was changed.");
  sayHowToUse();
  return 0;
}
