import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ContractFactory, HDNodeWallet, JsonRpcProvider, Mnemonic } from "ethers";
import type { Deployment } from "../../sdk/deployment.ts";

const ROOT = join(import.meta.dirname, "../..");
const BINARY = join(ROOT, "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
const MNEMONIC = Mnemonic.fromPhrase("test test test test test test test test test test test junk");
const CHAIN_ID = 31337;

/** Long periods: the clock is moved on purpose, and a slow machine must not make a task lapse. */
const LOCK_PERIOD = 24n * 3_600n;
const PARAMETERS = {
  minimumStake: 10n ** 17n,
  ackPeriod: 72n * 3_600n,
  revealPeriod: 12n * 3_600n,
  disputePeriod: 24n * 3_600n,
};

/** A transaction to be put into a chain that replaces another: its raw bytes, and the block, from 0. */
export type ReorgTransaction = readonly [raw: string, block: number];

/** A real node that can reorganize its chain, with both contracts deployed. */
export class Anvil {
  readonly url: string;
  readonly rpc: JsonRpcProvider;
  readonly periods = PARAMETERS;
  deployment!: Deployment;
  readonly #process: ChildProcess;
  #isHalted = false;

  private constructor(process: ChildProcess, url: string) {
    this.#process = process;
    this.url = url;
    this.rpc = new JsonRpcProvider(url, CHAIN_ID, {
      staticNetwork: true,
      batchMaxCount: 1,
      cacheTimeout: -1,
      pollingInterval: 5,
    });
  }

  /** The node is published for this system only. */
  static isAvailable(): boolean {
    return existsSync(BINARY);
  }

  static async start(): Promise<Anvil> {
    const args = [
      "--port",
      "0",
      "--host",
      "127.0.0.1",
      "--chain-id",
      `${CHAIN_ID}`,
      "--prune-history",
      "400",
    ];
    const child = spawn(BINARY, args, { stdio: ["ignore", "pipe", "ignore"] });
    const kill = () => void child.kill("SIGKILL");
    process.once("exit", kill);
    child.once("exit", () => process.off("exit", kill));
    const port = await new Promise<string>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`anvil exited with code ${code}`)));
      createInterface({ input: child.stdout! }).on("line", (line) => {
        const listening = /Listening on 127\.0\.0\.1:(\d+)/.exec(line);
        if (listening) resolve(listening[1]!);
      });
    });
    const anvil = new Anvil(child, `http://127.0.0.1:${port}`);
    await anvil.#deploy();
    return anvil;
  }

  /** The private key of a funded account; 0 deploys, 1 is the provider, 2 and above are users. */
  key(account: number): string {
    return HDNodeWallet.fromMnemonic(MNEMONIC, `m/44'/60'/0'/0/${account}`).privateKey;
  }

  /** Makes no block, whoever asks for one, until it goes on. */
  async halt(): Promise<void> {
    this.#isHalted = true;
    await this.rpc.send("evm_setAutomine", [false]);
  }

  /** Makes blocks again. */
  async resume(): Promise<void> {
    this.#isHalted = false;
    await this.rpc.send("evm_setAutomine", [true]);
    await this.mine();
  }

  async mine(blocks = 1): Promise<void> {
    if (this.#isHalted) return;
    await this.rpc.send("anvil_mine", [`0x${blocks.toString(16)}`]);
  }

  async increaseTime(seconds: bigint): Promise<void> {
    await this.rpc.send("evm_increaseTime", [Number(seconds)]);
    await this.mine();
  }

  /**
   * Replaces the newest blocks by as many others, and one more that is mined first. No other one is mined meanwhile:
   * this node would keep it below the new ones, and its chain would hold a later nonce before an earlier one.
   * @param choose says which of the raw transactions in these blocks, oldest first, are in the new ones, too
   */
  async reorg(
    depth: number,
    choose: (raws: readonly string[]) => readonly ReorgTransaction[],
  ): Promise<void> {
    await this.rpc.send("evm_setAutomine", [false]);
    try {
      await this.mine(); // comes after the block that is being mined
      const raws = await this.#newestTransactions(depth + 1);
      await this.rpc.send("anvil_reorg", [depth + 1, choose(raws)]);
    } finally {
      await this.rpc.send("evm_setAutomine", [true]);
    }
  }

  async #newestTransactions(blocks: number): Promise<string[]> {
    const head = await this.rpc.getBlockNumber();
    const raws: string[] = [];
    for (let number = head - blocks + 1; number <= head; number++) {
      for (const hash of (await this.rpc.getBlock(number))?.transactions ?? []) {
        raws.push(await this.rpc.send("eth_getRawTransactionByHash", [hash]));
      }
    }
    return raws;
  }

  snapshot(): Promise<string> {
    return this.rpc.send("evm_snapshot", []);
  }

  async revert(snapshot: string): Promise<void> {
    const done = await this.rpc.send("evm_revert", [snapshot]);
    if (!done) throw new Error(`anvil has no snapshot ${snapshot}`);
  }

  async stop(): Promise<void> {
    this.rpc.destroy();
    const exited = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGKILL");
    await exited;
  }

  async #deploy(): Promise<void> {
    const deployer = await this.rpc.getSigner(0);
    const deploy = async (name: string, ...args: unknown[]) => {
      const path = join(ROOT, `artifacts/contracts/${name}.sol/${name}.json`);
      const { abi, bytecode } = JSON.parse(readFileSync(path, "utf8"));
      const contract = await new ContractFactory(abi, bytecode, deployer).deploy(...args);
      await contract.waitForDeployment();
      return { address: await contract.getAddress(), abi };
    };
    const ledger = await deploy("Ledger", LOCK_PERIOD);
    const serving = await deploy("FineTuningServing", ledger.address, PARAMETERS);
    this.deployment = { chainId: CHAIN_ID, ledger, serving, blockNumber: 0 };
  }
}
