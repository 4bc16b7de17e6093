import type { Logger } from "pino";
import type { Clock } from "../clock.ts";
import type { Readiness } from "../Readiness.ts";

export interface MachineHealthOptions {
  /** Trains something tiny. @returns whether that ended well. */
  readonly probe: (signal: AbortSignal) => Promise<boolean>;
  readonly readiness: Readiness;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Milliseconds between two probes of a machine that was found broken. */
const PROBE_INTERVAL = 60_000;

const BROKEN = {
  name: "machine",
  message: "Trainers die on this machine, whatever they train: no new tasks are accepted.",
  hint: "See trainer.log in PROVIDER_DIR/probe; what is accepted is tried until its deadline is near.",
};

/**
 * Tells a machine that cannot train from a job that cannot be trained. While the machine is broken nothing new is
 * accepted, and no task is given up for it while time is left; a training that ends well, or a probe, ends that.
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

  /** A training has ended well. */
  noteTrained(): void {
    this.#set(false);
  }

  /** Whether a training that died again and again did so for a reason of its own: something tiny is trained to see. */
  async isHealthy(signal: AbortSignal): Promise<boolean> {
    this.#probing ??= this.#probe(signal).finally(() => {
      this.#probing = null;
    });
    return this.#probing;
  }

  /** Looks again and again whether a broken machine works, until `signal` aborts. */
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
      log.error({ hint: BROKEN.hint }, "the trainer dies on this machine");
    } else {
      readiness.clear(BROKEN.name);
      log.info("the trainer works again");
    }
  }
}
