/** A small quick start: a real chain node, and a process that has started another one in its own session. */
import { onEnding } from "../../../scripts/quickstart/onEnding.ts";
import { Stack } from "../../../scripts/quickstart/Stack.ts";

// The test runner imports every file below test/node; only a process started with this one is a quick start.
if (import.meta.main) {
  const [directory, nested] = process.argv.slice(2) as [string, string];
  const stack = new Stack();
  onEnding(async () => {
    await stack.stop();
    stack.release();
    process.exit();
  });
  const options = { env: process.env, timeoutSeconds: 120, directory };
  await stack.start(
    "chain",
    [process.execPath, "node_modules/hardhat/dist/src/cli.js"].concat([
      "node",
      "--hostname",
      "127.0.0.1",
      "--port",
      "0",
    ]),
    { ...options, ready: /Started HTTP/ },
  );
  const script = `setsid sleep 100000 & echo $! > ${nested}; echo ready; wait`;
  await stack.start("provider", ["bash", "-c", script], { ...options, ready: /ready/ });
  stack.removeAfterDeath(directory);
  console.log(JSON.stringify(stack.processes));
  setInterval(() => console.log("still here"), 50);
}
