import { ContractFactory, JsonRpcProvider } from "ethers";
import { pino } from "pino";
import { systemClock } from "../../provider/clock.ts";
import { FlowWatcher } from "../../provider/storage/FlowWatcher.ts";
import { SubmissionLog } from "../../provider/storage/SubmissionLog.ts";
import { startLocalChain } from "./localChain.ts";
import type { TestChain } from "./TestChain.ts";

/** A local chain with 0G's Flow contract. */
export interface FlowChain extends TestChain {
  readonly flowAddress: string;
  readonly provider: JsonRpcProvider;
  /** A log that follows the contract until the chain is closed, as in a storage node. */
  follow(): SubmissionLog;
}

export async function startFlowChain(): Promise<FlowChain> {
  const { artifacts } = await import("hardhat");
  const chain = await startLocalChain();
  const provider = new JsonRpcProvider(chain.rpcUrl, chain.deployment.chainId, {
    staticNetwork: true,
    batchMaxCount: 1,
    cacheTimeout: -1,
    pollingInterval: 20,
  });
  const { abi, bytecode } = await artifacts.readArtifact("Flow");
  const flow = await new ContractFactory(abi, bytecode, await provider.getSigner(0)).deploy();
  await flow.waitForDeployment();
  const flowAddress = await flow.getAddress();
  const stop = new AbortController();
  const watching: Promise<void>[] = [];
  return {
    ...chain,
    flowAddress,
    provider,
    follow() {
      const { chainId } = chain.deployment;
      const submissions = new SubmissionLog({ chainId, address: flowAddress });
      const log = pino({ level: "silent" });
      const watcher = new FlowWatcher({
        provider,
        submissions,
        clock: systemClock,
        log,
        pollInterval: 50,
      });
      watching.push(watcher.run(stop.signal));
      return submissions;
    },
    async close() {
      stop.abort();
      await Promise.all(watching);
      provider.destroy();
      await chain.close();
    },
  };
}
