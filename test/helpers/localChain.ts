import { ContractFactory, HDNodeWallet, JsonRpcProvider, Mnemonic } from "ethers";
import { type Parameters, parametersOf } from "../../deploy/_parameters.ts";
import type { Deployment } from "../../sdk/deployment.ts";

/** What every Hardhat node starts with; index 0 deploys, as on `localhost`. */
const MNEMONIC = Mnemonic.fromPhrase("test test test test test test test test test test test junk");
const CHAIN_ID = 31337;

interface LocalAccount {
  readonly address: string;
  readonly privateKey: string;
}

/** A chain of its own, behind a real JSON-RPC endpoint, with both contracts deployed as on `localhost`. */
export interface LocalChain {
  readonly rpcUrl: string;
  readonly deployment: Deployment;
  readonly parameters: Parameters;
  /** Ten accounts with 10,000 OG each; 0 is the deployer. */
  readonly accounts: readonly LocalAccount[];
  /** Moves the chain's clock and mines a block there. */
  increaseTime(seconds: number | bigint): Promise<void>;
  mine(): Promise<void>;
  /** @returns what `revert` takes, once. */
  snapshot(): Promise<string>;
  revert(snapshot: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts the chain on a free port of 127.0.0.1, with some parameters chosen. The contracts must be built. */
export async function startLocalChain(chosen: Partial<Parameters> = {}): Promise<LocalChain> {
  const { artifacts, network } = await import("hardhat");
  const server = await network.createServer({ network: "default" }, "127.0.0.1", 0);
  const { port } = await server.listen();
  const rpcUrl = `http://127.0.0.1:${port}`;
  const rpc = new JsonRpcProvider(rpcUrl, CHAIN_ID, {
    staticNetwork: true,
    batchMaxCount: 1,
    cacheTimeout: -1, // a nonce must be read again after a snapshot is restored
    pollingInterval: 20,
  });
  const accounts = Array.from({ length: 10 }, (_, index) => {
    const wallet = HDNodeWallet.fromMnemonic(MNEMONIC, `m/44'/60'/0'/0/${index}`);
    return { address: wallet.address, privateKey: wallet.privateKey };
  });

  const deployer = await rpc.getSigner(0);
  const deploy = async (name: string, ...args: unknown[]) => {
    const { abi, bytecode } = await artifacts.readArtifact(name);
    const contract = await new ContractFactory(abi, bytecode, deployer).deploy(...args);
    await contract.waitForDeployment();
    return { address: await contract.getAddress(), abi };
  };
  const parameters = { ...parametersOf(CHAIN_ID), ...chosen };
  const { lockPeriod, ...servingParameters } = parameters;
  const ledger = await deploy("Ledger", lockPeriod);
  const serving = await deploy("FineTuningServing", ledger.address, servingParameters);

  const mine = async () => {
    await rpc.send("evm_mine", []);
  };
  return {
    rpcUrl,
    deployment: { chainId: CHAIN_ID, ledger, serving, blockNumber: 0 },
    parameters,
    accounts,
    mine,
    async increaseTime(seconds) {
      // from the newest block and not from the wall clock: a slow test sees the same times as a fast one
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
