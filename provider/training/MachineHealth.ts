import type { Logger } from "pino";
import type { Clock } from "../clock.ts";
import type { Readiness } from "../Readiness.ts";

export interface MachineHealthOptions {
  /** Trains a tiny model. @returns whether that succeeded. */
  readonly probe: (signal: AbortSignal) => Promise<boolean>;
  readonly readiness: Readiness;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Milliseconds between probes of a broken machine. */
const PROBE_INTERVAL = 60_000;

const BROKEN = {
  name: "machine",
  message: "Trainers fail on this machine, whatever they train: no new tasks are accepted.",
  hint: "Check trainer.log in PROVIDER_DIR/probe. Accepted tasks are retried until their deadlines are near.",
};

/**
 * Distinguishes a machine that cannot train from a job that cannot be trained. While the machine is broken, no new
 * tasks are accepted, and accepted ones are not given up while time is left. A successful training run, or probe, ends
 * this.
 */
export class MachineHealth {
  readonly #options: MachineHealthOptions;
  #isBroken = false;
  #probing: Promise<boolean> | null = null;

  constructor(options: MachineHealthOptions) {
    this.#options = options;
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Records a successful training run. */
  noteTrained(): void {
    this.#set(false);
  }

  /** Probes the machine, to find out whether repeated crashes of a training run are its own fault. */
  async isHealthy(signal: AbortSignal): Promise<boolean> {
    this.#probing ??= this.#probe(signal).finally(() => {
      this.#probing = null;
    });
    return this.#probing;
  }

  /** Probes a broken machine periodically until `signal` aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#options.clock.sleep(PROBE_INTERVAL, signal);
      if (this.#isBroken && !signal.aborted) await this.isHealthy(signal);
    }
  }

  async #probe(signal: AbortSignal): Promise<boolean> {
    const { probe, log } = this.#options;
    const isHealthy = await probe(signal).catch((error) => {
      log.warn({ err: error }, "the trainer cannot be probed");
      return false;
    });
    if (!signal.aborted) this.#set(!isHealthy);
    return isHealthy;
  }

  #set(isBroken: boolean): void {
    const { readiness, log } = this.#options;
    if (this.#isBroken === isBroken) return;
    this.#isBroken = isBroken;
    if (isBroken) {
      readiness.set(BROKEN);
      log.error({ hint: BROKEN.hint }, "the trainer fails on this machine");
    } else {
      readiness.clear(BROKEN.name);
      log.info("the trainer works again");
    }
  }
}
