import { Flow } from "../generated/artifacts/index.js";
import { deployScript } from "./_rocketh.ts";

/** 0G Storage's log of files, only on the local network: on other networks 0G has its own. */
export default deployScript(
  async (env) => {
    if (env.network.chain.id !== 31337) return;
    await env.deploy("Flow", { account: env.namedAccounts.deployer, artifact: Flow, args: [] });
  },
  { tags: ["Flow"] },
);
