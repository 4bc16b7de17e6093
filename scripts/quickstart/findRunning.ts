import { type KeptNetwork, readNetwork, stateOf } from "./KeptNetwork.ts";
import { NETWORK_DIRECTORY } from "./places.ts";
import { takenPorts } from "./ports.ts";
import { note, title } from "./say.ts";

/**
 * Looks before anything is touched: a network that runs is used or stopped, and never replaced.
 * @returns the exit code if there is one, or if its ports are taken; null if a network can be started.
 */
export async function findRunning(directory: string): Promise<number | null> {
  const state = await stateOf(directory);
  if (state === "starting" || state === "running" || state === "partly") {
    return tell(state, (await readNetwork(directory))!);
  }
  const taken = await takenPorts();
  if (taken.length === 0) return null;
  console.error(`Port ${taken.join(" and ")} of this machine is taken by another program.`);
  console.error("End it, or run npm start without --keep: that takes other ports.");
  return 1;
}

/** @returns the exit code. */
function tell(state: "starting" | "running" | "partly", network: KeptNetwork): number {
  const since = new Date(network.started).toLocaleString();
  if (state === "starting") {
    console.error("Another npm start is building this network up. Wait for it, or: npm stop");
    return 1;
  }
  if (state === "partly") {
    console.error(`A part of the network that was started ${since} has ended, and the rest runs.`);
    console.error("End the rest with npm stop, then start again.");
    return 1;
  }
  title(`The network that was started ${since} is running`);
  note(`chain     ${network.rpcUrl}`);
  note(`storage   ${network.storageUrl}`);
  note(`provider  ${network.apiUrl}, account ${network.provider}`);
  console.log("Nothing was changed.");
  sayHowToUse(network.provider);
  return 0;
}

export function sayHowToUse(provider: string): void {
  console.log("Type any command with --network localhost, for example:");
  console.log(`  npx hardhat list-tasks --provider ${provider} --network localhost`);
  console.log(`Its state and its logs are in ${NETWORK_DIRECTORY}. To stop it:`);
  console.log("  npm stop");
}
