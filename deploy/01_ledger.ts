import { Ledger } from "../generated/artifacts/index.js";
import { parametersOf } from "./_parameters.ts";
import { deployScript } from "./_rocketh.ts";

export default deployScript(
  async (env) => {
    const { lockPeriod } = parametersOf(env.network.chain.id);
    await env.deploy("Ledger", {
      account: env.namedAccounts.deployer,
      artifact: Ledger,
      args: [lockPeriod],
    });
  },
  { tags: ["Ledger"] },
);
