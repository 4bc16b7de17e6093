import { dirname } from "node:path";
import { executeDeployScriptsFromFiles } from "@rocketh/node";
import type { TaskOverrideActionFunction } from "hardhat/types/tasks";
import { config } from "./_rocketh.ts";

/**
 * `npx hardhat deploy`: builds, then runs the numbered scripts of this folder against the chosen network and writes
 * `deployments/<network>`. A contract that is deployed already with the same code and arguments is left alone.
 * hardhat-deploy's own action neither builds nor runs without a prompt.
 */
const deploy: TaskOverrideActionFunction = async ({ tags }, hre) => {
  await hre.tasks.getTask("build").run({ quiet: true });
  const connection = await hre.network.create();
  const inMemory = connection.networkConfig.type === "edr-simulated";
  await executeDeployScriptsFromFiles(
    { ...config, deployments: deploymentsFolder() },
    {
      provider: connection.provider as never, // rocketh types the same EIP-1193 interface more narrowly
      environment: connection.networkName,
      saveDeployments: !inMemory,
      askBeforeProceeding: false,
      ...(tags === "" ? {} : { tags: tags.split(",") }),
    },
  );
};

/** ANNEAL_DEPLOYMENTS names the folder of one network, so that two local networks can live side by side. */
function deploymentsFolder(): string {
  const chosen = process.env.ANNEAL_DEPLOYMENTS;
  return chosen ? dirname(chosen) : config.deployments;
}

export default deploy;
