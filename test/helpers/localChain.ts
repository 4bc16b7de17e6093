import { type Parameters, parametersOf } from "../../deploy/_parameters.ts";
import {
  CHAIN_ID,
  connectNode,
  deployContracts,
  type TestChain,
  testAccounts,
} from "./TestChain.ts";

/** Starts a Hardhat node on a free port of 127.0.0.1, deployed like `localhost`, with optional parameters. */
export async function startLocalChain(chosen: Partial<Parameters> = {}): Promise<TestChain> {
  const { network } = await import("hardhat");
  const server = await network.createServer({ network: "default" }, "127.0.0.1", 0);
  const { port } = await server.listen();
  const rpcUrl = `http://127.0.0.1:${port}`;
  const rpc = connectNode(rpcUrl, 20);
  const parameters = { ...parametersOf(CHAIN_ID), ...chosen };
  const mine = async () => {
    await rpc.send("evm_mine", []);
  };
  return {
    rpcUrl,
    deployment: await deployContracts(rpc, parameters),
    parameters,
    accounts: testAccounts(),
    mine,
    async increaseTime(seconds) {
      // from the newest block and not from the system clock: a slow test sees the same times as a fast one
      const { timestamp } = (await rpc.getBlock("latest"))!;
      await rpc.send("evm_setNextBlockTimestamp", [timestamp + Number(seconds)]);
      await mine();
    },
    snapshot: () => rpc.send("evm_snapshot", []),
    async revert(snapshot) {
      await rpc.send("evm_revert", [snapshot]);
    },
    async close() {
      rpc.destroy();
      await server.close();
    },
  };
}
