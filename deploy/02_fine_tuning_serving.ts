import { FineTuningServing } from "../generated/artifacts/index.js";
import { parametersOf } from "./_parameters.ts";
import { deployScript } from "./_rocketh.ts";

export default deployScript(
  async (env) => {
    const { minimumStake, ackPeriod, revealPeriod, disputePeriod } = parametersOf(
      env.network.chain.id,
    );
    await env.deploy("FineTuningServing", {
      account: env.namedAccounts.deployer,
      artifact: FineTuningServing,
      args: [env.get("Ledger").address, { minimumStake, ackPeriod, revealPeriod, disputePeriod }],
    });
  },
  { tags: ["FineTuningServing"], dependencies: ["Ledger"] },
);
