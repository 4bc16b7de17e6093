import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ContractFactory, HDNodeWallet, JsonRpcProvider, Mnemonic } from "ethers";
import type { Parameters } from "../../deploy/_parameters.ts";
import type { Deployment } from "../../sdk/deployment.ts";

/** What every Hardhat node and every anvil starts with. */
const MNEMONIC = Mnemonic.fromPhrase("test test test test test test test test test test test junk");
export const CHAIN_ID = 31337;
const ARTIFACTS = join(import.meta.dirname, "../../artifacts/contracts");

/** An account of a test chain, with 10,000 OG. */
export interface TestAccount {
  readonly address: string;
  readonly privateKey: string;
}

/** A separate chain, behind a real JSON-RPC endpoint, with both contracts deployed. */
export interface TestChain {
  readonly rpcUrl: string;
  readonly deployment: Deployment;
  readonly parameters: Parameters;
  /** Ten of them; 0 deployed. */
  readonly accounts: readonly TestAccount[];
  /** Advances the chain's clock and mines a block at that time. */
  increaseTime(seconds: number | bigint): Promise<void>;
  mine(): Promise<void>;
  /** @returns what `revert` takes, once. */
  snapshot(): Promise<string>;
  revert(snapshot: string): Promise<void>;
  close(): Promise<void>;
}

export function testAccounts(): TestAccount[] {
  return Array.from({ length: 10 }, (_, index) => {
    const wallet = HDNodeWallet.fromMnemonic(MNEMONIC, `m/44'/60'/0'/0/${index}`);
    return { address: wallet.address, privateKey: wallet.privateKey };
  });
}

/** The node's own client: it signs as every account, and polls the chain at this interval, in milliseconds. */
export function connectNode(rpcUrl: string, pollingInterval: number): JsonRpcProvider {
  return new JsonRpcProvider(rpcUrl, CHAIN_ID, {
    staticNetwork: true,
    batchMaxCount: 1,
    cacheTimeout: -1, // a nonce must be read again after a snapshot is restored
    pollingInterval,
  });
}

/** Deploys both contracts. They must be built. */
export async function deployContracts(
  rpc: JsonRpcProvider,
  { lockPeriod, ...periods }: Parameters,
): Promise<Deployment> {
  const deployer = await rpc.getSigner(0);
  const deploy = async (name: string, ...args: unknown[]) => {
    const path = join(ARTIFACTS, `${name}.sol/${name}.json`);
    const { abi, bytecode } = JSON.parse(readFileSync(path, "utf8"));
    const contract = await new ContractFactory(abi, bytecode, deployer).deploy(...args);
    await contract.waitForDeployment();
    return { address: await contract.getAddress(), abi };
  };
  const ledger = await deploy("Ledger", lockPeriod);
  const serving = await deploy("FineTuningServing", ledger.address, periods);
  return { chainId: CHAIN_ID, ledger, serving, blockNumber: 0 };
}
