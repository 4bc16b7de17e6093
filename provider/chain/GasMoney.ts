import type { Logger } from "pino";
import { Gauge, type Registry } from "prom-client";
import { type Client, requireSigner } from "../../sdk/client.ts";
import { parseTaskId, type TaskId } from "../../sdk/ids.ts";
import { GAS_PER_TASK, MAX_DEMANDS, TASK_GAS } from "../../sdk/service/taskGas.ts";
import { type GasPrice, readGasPrice, totalPrice } from "../../sdk/transaction/gasPrice.ts";
import { readChain } from "../../sdk/transaction/readChain.ts";
import { formatOg } from "../../sdk/units.ts";
import { backoff, type Clock } from "../clock.ts";
import { ProviderError } from "../errors.ts";
import type { Job } from "../machine/machine.ts";
import type { Readiness } from "../Readiness.ts";
import type { Store } from "../store/Store.ts";
import type { ChainIdentity } from "./ChainIdentity.ts";
import { firstBid } from "./fees.ts";

export interface GasMoneyOptions {
  readonly client: Client;
  readonly identity: ChainIdentity;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly readiness: Readiness;
  /** Neuron per unit of gas. */
  readonly maxGasPrice: bigint;
}

/** The balance of the operator's wallet and what it is needed for, in neuron. */
export interface GasBalance {
  readonly address: string;
  readonly balance: bigint;
  /** Cost of the remaining steps of all accepted tasks at the current price. */
  readonly reserved: bigint;
  /** Cost of all steps of one more task. */
  readonly perTask: bigint;
}

/** Milliseconds between checks of the wallet. */
const POLL_INTERVAL = 15_000;
const REASON = "gas";
const PRICE_REASON = "gas-price";

/** The OG in the operator's wallet that pay for its transactions: whether they suffice, and how much is reserved. */
export class GasMoney {
  readonly #options: GasMoneyOptions;
  /** Neuron needed by transactions that the wallet cannot pay for, by effect. */
  readonly #unpaid = new Map<string, bigint>();
  #last: GasBalance | null = null;
  /** The chain's gas price is above MAX_GAS_PRICE. */
  #isPriceTooHigh = false;

  constructor(options: GasMoneyOptions) {
    this.#options = options;
  }

  get maxGasPrice(): bigint {
    return this.#options.maxGasPrice;
  }

  /** Refreshes periodically until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, identity } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await identity.verify();
        await this.refresh();
        failures = 0;
      } catch (error) {
        failures++;
        log.debug({ err: error }, "the wallet's balance cannot be read");
      }
      await clock.sleep(failures > 0 ? backoff(failures) : POLL_INTERVAL, signal);
    }
  }

  /** Reads balance and price, and reports each problem with them once, when it appears and when it is resolved. */
  async refresh(): Promise<GasBalance> {
    const { client } = this.#options;
    const address = await requireSigner(client).getAddress();
    const [balance, price] = await Promise.all([this.#readBalance(address), readGasPrice(client)]);
    const perGas = this.#currentBid(price);
    const reserved = perGas * gasOfOpenTasks(this.#jobs());
    this.#last = { address, balance, reserved, perTask: perGas * GAS_PER_TASK };
    this.#checkPrice(price);
    this.#checkBalance(this.#last);
    return this.#last;
  }

  /**
   * Makes sure that a task may be accepted: the wallet can pay for it, and for the rest of the tasks before it.
   * @throws ProviderError while it cannot.
   */
  async requireReserve(id: TaskId): Promise<void> {
    const { balance, reserved, perTask } = await this.refresh();
    const line = this.#jobs().filter(isBeingAccepted);
    const place = line.findIndex((open) => open.id === id);
    const before = BigInt(place === -1 ? line.length : place);
    if (balance >= reserved + (before + 1n) * perTask && !this.#isPriceTooHigh) return;
    throw new ProviderError("The operator's wallet has too little OG to accept this task.", {
      retryable: true,
      isReported: true,
      hint: REFILL_HINT,
    });
  }

  /** Makes sure, before a transaction is signed, that the wallet can pay for it. @throws ProviderError if it cannot. */
  async requireFunds(effect: string, needed: bigint): Promise<void> {
    if (await this.canPay(effect, needed)) return;
    throw new ProviderError("The operator's wallet has too little OG for gas.", {
      retryable: true,
      isReported: true,
      hint: REFILL_HINT,
    });
  }

  /** Whether the wallet holds what a transaction needs; a shortage is recorded. */
  async canPay(effect: string, needed: bigint): Promise<boolean> {
    const address = await requireSigner(this.#options.client).getAddress();
    const balance = await this.#readBalance(address);
    if (balance >= needed) this.clearShortage(effect);
    else this.#noteShortage(effect, { address, balance, needed });
    return balance >= needed;
  }

  /** Records that the node refused a transaction for insufficient funds. */
  async reportShortage(effect: string, needed: bigint): Promise<void> {
    const address = await requireSigner(this.#options.client).getAddress();
    this.#noteShortage(effect, { address, balance: await this.#readBalance(address), needed });
  }

  /** Records that a transaction is waiting for OG, and logs it once. */
  #noteShortage(
    effect: string,
    { address, balance, needed }: { address: string; balance: bigint; needed: bigint },
  ): void {
    const { log } = this.#options;
    const isNew = this.#unpaid.size === 0;
    this.#unpaid.set(effect, needed);
    this.#setReason(
      `The operator's wallet ${address} holds ${formatOg(balance)} OG, but a transaction needs ${formatOg(needed)} OG.`,
    );
    if (isNew) {
      const amounts = { balance: formatOg(balance), needed: formatOg(needed) };
      log.error(
        { effect, address, ...amounts, hint: REFILL_HINT },
        "the operator's wallet has too little OG for gas",
      );
    }
  }

  /** Records that a transaction is no longer waiting for OG. */
  clearShortage(effect: string): void {
    this.#unpaid.delete(effect);
  }

  /** Adds the wallet's metrics. */
  addGauges(registry: Registry): void {
    const inOg = (about: { name: string; help: string }, read: (seen: GasBalance) => bigint) => {
      const last = () => this.#last;
      new Gauge({
        ...about,
        registers: [registry],
        collect() {
          const seen = last();
          if (seen) this.set(Number(formatOg(read(seen))));
        },
      });
    };
    const wallet = { name: "anneal_wallet_og", help: "OG in the operator's wallet, for gas" };
    inOg(wallet, ({ balance }) => balance);
    const reserve = {
      name: "anneal_gas_reserved_og",
      help: "OG reserved for the gas of open tasks",
    };
    inOg(reserve, ({ reserved }) => reserved);
    const waiting = () => this.#unpaid.size;
    new Gauge({
      name: "anneal_transactions_unpaid",
      help: "Transactions that the wallet cannot pay for",
      registers: [registry],
      collect() {
        this.set(waiting());
      },
    });
  }

  #checkBalance(state: GasBalance): void {
    const { readiness, log } = this.#options;
    const { address, balance, reserved, perTask } = state;
    for (const [effect, needed] of this.#unpaid)
      if (balance >= needed || !this.#isWanted(effect)) this.#unpaid.delete(effect);
    if (this.#unpaid.size > 0) return;
    if (balance >= reserved + perTask) {
      if (readiness.clear(REASON))
        log.info({ address }, "the operator's wallet has enough OG for gas again");
      return;
    }
    const needed = formatOg(reserved + perTask);
    const isNew = this.#setReason(
      `The operator's wallet ${address} holds ${formatOg(balance)} OG, less than the ${needed} OG needed for its open tasks and one more.`,
    );
    if (isNew) {
      const amounts = { balance: formatOg(balance), reserved: formatOg(reserved), needed };
      log.error(
        { address, ...amounts, hint: REFILL_HINT },
        "no task is accepted: the OG of the operator's wallet are reserved for open ones",
      );
    }
  }

  /** Only the operator can decide about a price above the maximum: until then transactions wait. */
  #checkPrice(price: GasPrice): void {
    const { readiness, log, maxGasPrice } = this.#options;
    const asked = totalPrice(price);
    this.#isPriceTooHigh = asked > maxGasPrice;
    if (!this.#isPriceTooHigh) {
      if (readiness.clear(PRICE_REASON))
        log.info("the chain's gas price is below MAX_GAS_PRICE again");
      return;
    }
    const message = "The chain's gas price is above MAX_GAS_PRICE: transactions wait.";
    if (readiness.set({ name: PRICE_REASON, message, hint: RAISE_HINT }))
      log.error(
        { asked: `${asked}`, maxGasPrice: `${maxGasPrice}`, hint: RAISE_HINT },
        "the chain's gas price is above MAX_GAS_PRICE",
      );
  }

  #setReason(message: string): boolean {
    return this.#options.readiness.set({ name: REASON, message, hint: REFILL_HINT });
  }

  /** Neuron per gas. */
  #currentBid(price: GasPrice): bigint {
    return firstBid(price, { maxGasPrice: this.maxGasPrice, gas: 1n, worth: null }).cap;
  }

  /** Whether the transaction is open, or its step is still pending. */
  #isWanted(effect: string): boolean {
    const { store } = this.#options;
    if (store.openTransaction(effect)) return true;
    const [uuid, step] = effect.split("/");
    return /-/.test(uuid!) && store.job(parseTaskId(uuid!))?.job.pending === step;
  }

  #jobs(): readonly OpenJob[] {
    return this.#options.store.openJobs();
  }

  #readBalance(address: string): Promise<bigint> {
    const { client } = this.#options;
    return readChain(client, () => client.provider.getBalance(address));
  }
}

const REFILL_HINT = "Send OG to that wallet: waiting transactions then continue automatically.";
const RAISE_HINT =
  "Raise MAX_GAS_PRICE, or wait. A key that is not revealed in time costs the whole bond.";

interface OpenJob {
  readonly id: TaskId;
  readonly job: Job;
}

const isBeingAccepted = ({ job }: OpenJob) => job.chain === "Created" && job.pending === "accept";

/** Units of gas for the remaining steps of these tasks. */
function gasOfOpenTasks(jobs: readonly OpenJob[]): bigint {
  return jobs.reduce((sum, { job }) => sum + gasLeft(job), 0n);
}

function gasLeft({ chain }: Job): bigint {
  const { deliver, answer, reveal, finalize } = TASK_GAS;
  const answers = MAX_DEMANDS * answer;
  switch (chain) {
    case "Accepted":
      return deliver + answers + reveal + finalize;
    case "Delivered":
    case "Demanded":
      return answers + reveal + finalize;
    case "Acknowledged":
      return reveal + finalize;
    case "Revealed":
      return finalize;
    default:
      return 0n;
  }
}
