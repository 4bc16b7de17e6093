import { Anvil } from "./Anvil.ts";
import { attempt, type Outcome } from "./attempt.ts";
import type { Daemon } from "./Daemon.ts";
import type { FaultFixture } from "./FaultFixture.ts";
import { fastClock } from "./fastClock.ts";
import type { Programme } from "./Programme.ts";
import { runUsers } from "./runUsers.ts";
import { SimulatedUser } from "./SimulatedUser.ts";
import { SwitchProxy } from "./SwitchProxy.ts";

/** The transactions of a task that nobody confirms. */
const STEPS = ["accept", "deliver", "reveal", "finalize"] as const;
type Step = (typeof STEPS)[number];

/** What happens to the daemon's gas reserve, or to the chain. */
const FAULTS = ["empty", "drained", "halted", "spike", "restarted"] as const;
type Fault = (typeof FAULTS)[number];

const ROUNDS = 4;
/** Minutes of the daemon's clock that a fault lasts. */
const MINUTES: Record<Fault, number> = {
  empty: 14,
  drained: 14,
  halted: 12,
  spike: 3,
  restarted: 3,
};
const SHORT_MINUTES: Record<Fault, number> = { ...MINUTES, empty: 2, drained: 2, restarted: 2 };
/** What a short programme omits: the same at other steps. */
const SHORT_STEPS: Record<Fault, readonly Step[]> = {
  empty: ["accept", "reveal"],
  drained: ["deliver", "finalize"],
  halted: ["deliver"],
  spike: ["reveal"],
  restarted: ["accept"],
};

const GWEI = 10n ** 9n;
const SPIKE = 60n * GWEI;
/** What this node suggests to pay on top of the base fee. */
const TIP = GWEI;

/** The wallet is empty, the chain stops, asks for fifty times its price, or is temporarily another one. */
export const wallet: Programme = async function* (market, { short, takes }) {
  for (let round = 0; round < (short ? 1 : ROUNDS); round++) {
    for (const fault of FAULTS) {
      for (const step of short ? SHORT_STEPS[fault] : STEPS) {
        const name = `wallet/${fault}-${step}/${round}`;
        if (!takes(name)) continue;
        const minutes = (short ? SHORT_MINUTES : MINUTES)[fault];
        yield await attempt(market, name, async ({ directory, state }) => {
          const run = new FaultyRun(market, fault, step, minutes * 60_000);
          return run.start(directory, state);
        });
      }
    }
  }
};

/** One task; the fault occurs once at one of its transactions and passes after a while. */
class FaultyRun {
  readonly #market: FaultFixture;
  readonly #fault: Fault;
  readonly #step: Step;
  readonly #duration: number;
  readonly #wrong: string[] = [];
  /** By the daemon's clock; null before the fault, and after it has passed. */
  #struckAt: number | null = null;
  #strikes = 0;
  /** The step whose transaction is broadcast next, for a single task. */
  #current = "";
  #said = new Set<string>();
  #proxy: SwitchProxy | null = null;
  #other: Anvil | null = null;

  constructor(market: FaultFixture, fault: Fault, step: Step, duration: number) {
    this.#market = market;
    this.#fault = fault;
    this.#step = step;
    this.#duration = duration;
  }

  async start(directory: string, state: string): Promise<Outcome> {
    const { chain } = this.#market;
    if (this.#fault === "restarted") {
      this.#proxy = await SwitchProxy.start(chain.rpcUrl);
      this.#other = await Anvil.start();
    }
    const user = new SimulatedUser(this.#market, directory, 2, "finalize");
    try {
      const options = {
        directory: state,
        ...(this.#proxy && { rpcUrl: this.#proxy.url }),
        beforeStep: (step: string) => this.#beforeStep(step),
        beforeBroadcast: () => this.#beforeBroadcast(),
      };
      const meddle = (daemon: Daemon) => this.#meddle(daemon);
      const users = [user];
      await runUsers({ market: this.#market, options, users, meddle });
      this.#judge(await this.#overpaid());
    } finally {
      await this.#heal();
      await this.#proxy?.close();
      await this.#other?.close();
    }
    return { users: [user], strikes: this.#strikes, lost: this.#wrong };
  }

  async #beforeStep(step: string): Promise<void> {
    this.#current = step;
    if (this.#fault === "empty" || this.#fault === "restarted") await this.#strikeAt(step);
  }

  /** The transaction is signed, and no node has it yet. */
  async #beforeBroadcast(): Promise<void> {
    if (this.#fault !== "empty" && this.#fault !== "restarted") await this.#strikeAt(this.#current);
  }

  async #strikeAt(step: string): Promise<void> {
    if (step !== this.#step || this.#strikes > 0) return;
    this.#strikes++;
    this.#struckAt = fastClock.now();
    const { chain } = this.#market;
    switch (this.#fault) {
      case "empty":
      case "drained":
        return this.#setBalance(0n);
      case "halted":
        return chain.halt();
      case "spike":
        return this.#setBaseFee(SPIKE);
      case "restarted":
        this.#proxy!.target = this.#other!.rpcUrl;
    }
  }

  async #meddle({ readiness }: Daemon): Promise<boolean> {
    if (this.#struckAt === null) return false;
    for (const { name } of readiness.reasons()) this.#said.add(name);
    if (fastClock.now() - this.#struckAt > this.#duration) await this.#heal();
    return false;
  }

  async #heal(): Promise<void> {
    if (this.#struckAt === null) return;
    this.#struckAt = null;
    if (this.#fault === "empty" || this.#fault === "drained") await this.#setBalance(10n ** 18n);
    if (this.#fault === "halted") await this.#market.chain.resume();
    if (this.#fault === "spike") await this.#setBaseFee(GWEI);
    if (this.#fault !== "restarted") return;
    const { provider } = this.#market.service;
    const sent = await this.#other!.rpc.getTransactionCount(provider, "pending");
    if (sent > 0) this.#wrong.push(`${sent} transactions were sent to another chain`);
    this.#proxy!.target = this.#market.chain.rpcUrl;
  }

  #judge(overpaid: readonly string[]): void {
    this.#wrong.push(...overpaid);
    if (this.#strikes === 0) this.#wrong.push("the fault did not strike");
    const reason = REASONS[this.#fault];
    if (reason && !this.#said.has(reason))
      this.#wrong.push(`was ready all the time: no "${reason}"`);
  }

  /** Transactions of the provider that paid more than twice the price of their block. */
  async #overpaid(): Promise<string[]> {
    const { chain, service } = this.#market;
    const overpaid: string[] = [];
    for (const { number, transactions } of await this.#market.blocksOfRun()) {
      const { baseFeePerGas } = (await chain.rpc.getBlock(Number(number)))!;
      for (const { hash, from } of transactions) {
        if (from.toLowerCase() !== service.provider.toLowerCase()) continue;
        const { gasPrice } = (await chain.rpc.getTransactionReceipt(hash))!;
        if (gasPrice > 2n * (baseFeePerGas! + TIP))
          overpaid.push(`paid ${gasPrice} neuron per gas at a base fee of ${baseFeePerGas}`);
      }
    }
    return overpaid;
  }

  /** Of the next block, from which it falls while blocks are empty. */
  async #setBaseFee(fee: bigint): Promise<void> {
    const { chain } = this.#market;
    await chain.rpc.send("anvil_setNextBlockBaseFeePerGas", [`0x${fee.toString(16)}`]);
    await chain.mine();
  }

  async #setBalance(balance: bigint): Promise<void> {
    const { chain, service } = this.#market;
    await chain.rpc.send("anvil_setBalance", [service.provider, `0x${balance.toString(16)}`]);
  }
}

/** Why the daemon is not ready meanwhile. */
const REASONS: Partial<Record<Fault, string>> = {
  empty: "gas",
  drained: "gas",
  restarted: "other-chain",
};
