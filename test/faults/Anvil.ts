import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { JsonRpcProvider } from "ethers";
import type { Parameters } from "../../deploy/_parameters.ts";
import type { Deployment } from "../../sdk/deployment.ts";
import {
  CHAIN_ID,
  connectNode,
  deployContracts,
  type TestChain,
  testAccounts,
} from "../helpers/TestChain.ts";

const ROOT = join(import.meta.dirname, "../..");
const BINARY = join(ROOT, "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");

/** Long periods: the clock is advanced explicitly, and a slow machine must not make a task lapse. */
const PARAMETERS: Parameters = {
  lockPeriod: 24n * 3_600n,
  minimumStake: 10n ** 17n,
  ackPeriod: 72n * 3_600n,
  revealPeriod: 12n * 3_600n,
  disputePeriod: 24n * 3_600n,
};

/** A transaction for a replacing chain: its raw bytes, and the block, from 0. */
export type ReorgTransaction = readonly [raw: string, block: number];

/** A real node that can reorganize its chain, with both contracts deployed. */
export class Anvil implements TestChain {
  readonly rpcUrl: string;
  readonly rpc: JsonRpcProvider;
  readonly parameters = PARAMETERS;
  readonly accounts = testAccounts();
  deployment!: Deployment;
  readonly #process: ChildProcess;
  #isHalted = false;

  private constructor(process: ChildProcess, rpcUrl: string) {
    this.#process = process;
    this.rpcUrl = rpcUrl;
    this.rpc = connectNode(rpcUrl, 5);
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
    anvil.deployment = await deployContracts(anvil.rpc, PARAMETERS);
    return anvil;
  }

  /** Stops mining, whoever requests a block, until it is resumed. */
  async halt(): Promise<void> {
    this.#isHalted = true;
    await this.rpc.send("evm_setAutomine", [false]);
  }

  /** Resumes mining. */
  async resume(): Promise<void> {
    this.#isHalted = false;
    await this.rpc.send("evm_setAutomine", [true]);
    await this.mine();
  }

  async mine(blocks = 1): Promise<void> {
    if (this.#isHalted) return;
    await this.rpc.send("anvil_mine", [`0x${blocks.toString(16)}`]);
  }

  async increaseTime(seconds: number | bigint): Promise<void> {
    await this.rpc.send("evm_increaseTime", [Number(seconds)]);
    await this.mine();
  }

  /**
   * Replaces the newest blocks with as many others, and one more that is mined first. No other block is mined
   * meanwhile: this node would keep it below the new ones, and its chain would have a later nonce before an earlier
   * one.
   * @param choose returns which of the raw transactions in these blocks, oldest first, are also in the new ones
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

  async close(): Promise<void> {
    this.rpc.destroy();
    const exited = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGKILL");
    await exited;
  }
}
