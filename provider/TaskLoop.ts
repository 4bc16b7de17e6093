import type { Logger } from "pino";
import { ChainIdentity } from "./chain/ChainIdentity.ts";
import { GasMoney } from "./chain/GasMoney.ts";
import { Submitter } from "./chain/Submitter.ts";
import { Watcher } from "./chain/Watcher.ts";
import type { Clock } from "./clock.ts";
import { Runner } from "./jobs/Runner.ts";
import type { Metrics } from "./Metrics.ts";
import type { Readiness } from "./Readiness.ts";
import type { StepContext } from "./steps/parts/StepContext.ts";
import { STEPS } from "./steps/registry.ts";

export interface TaskLoopOptions {
  /** The steps' context, without the parts that are created here. */
  readonly given: Omit<StepContext, "submitter" | "gasMoney">;
  /** Hash of the chain's first block. */
  readonly genesis: string;
  readonly readiness: Readiness;
  readonly metrics: Metrics;
  /** Number of concurrent training runs. */
  readonly slots: number;
  /** Blocks on top of a block before it counts as confirmed. */
  readonly confirmations: number;
  /** Milliseconds between polls of the chain. */
  readonly pollInterval: number;
  /** Highest price to pay, in neuron per unit of gas. */
  readonly maxGasPrice: bigint;
  readonly steps?: typeof STEPS;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The loops that process tasks from their creation to their end: watcher, runner and gas money. */
export class TaskLoop {
  readonly context: StepContext;
  readonly runner: Runner;
  readonly gasMoney: GasMoney;
  readonly #watcher: Watcher;

  constructor(options: TaskLoopOptions) {
    const { given, genesis, readiness, metrics, slots, maxGasPrice, steps = STEPS } = options;
    const { confirmations, pollInterval, clock, log } = options;
    const { client, store, provider, registration } = given;
    const identity = new ChainIdentity({ client, genesis, readiness, log });
    const chain = { client, identity, store, clock, log, confirmations, pollInterval };
    this.gasMoney = new GasMoney({ ...chain, readiness, maxGasPrice });
    const submitter = new Submitter({ ...chain, registration, gasMoney: this.gasMoney });
    this.context = { ...given, submitter, gasMoney: this.gasMoney };
    this.runner = new Runner({
      ...{ context: this.context, steps, clock, log, slots, confirmations, metrics, readiness },
    });
    const onPoll = (chainTime: number) => {
      metrics.chainSeen(clock.now());
      this.runner.notify(chainTime);
    };
    this.#watcher = new Watcher({ ...chain, provider, onPoll });
  }

  /** Runs until `signal` aborts. @returns one promise per loop, so that the first failure is noticed. */
  run(signal: AbortSignal): Promise<void>[] {
    return [this.#watcher.run(signal), this.gasMoney.run(signal), this.runner.run(signal)];
  }
}
