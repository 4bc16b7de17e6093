/** `npm stop`: stops the network that `npm start -- --keep` left running. */
import { join } from "node:path";
import { stateOf, stopNetwork } from "./quickstart/KeptNetwork.ts";
import { NETWORK_DIRECTORY } from "./quickstart/paths.ts";

const directory = join(process.cwd(), NETWORK_DIRECTORY);
const stopped = await stopNetwork(directory);
if (stopped.length === 0) {
  console.log("No network of `npm start -- --keep` is running.");
} else if ((await stateOf(directory)) === "stale") {
  console.log(`Stopped: ${stopped.join(", ")}.`);
  console.log(`Logs and state remain in ${NETWORK_DIRECTORY} until the next npm start -- --keep.`);
} else {
  console.error(`Some of these are still running: ${stopped.join(", ")}. Run npm stop again.`);
  process.exitCode = 1;
}
