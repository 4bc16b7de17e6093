import { Gauge, type Registry } from "prom-client";

/** Why the daemon cannot do its work at the moment, and what its operator can do about it. */
export interface Reason {
  /** One word, the same each time: `chain`, `gas`. */
  readonly name: string;
  readonly message: string;
  readonly hint: string;
}

/** The reasons why the daemon is not ready. Each part sets and clears its own. */
export class Readiness {
  readonly #reasons = new Map<string, Reason>();

  /** Sets the reason of this name, in place of an earlier one. @returns whether there was none before. */
  set(reason: Reason): boolean {
    const isNew = !this.#reasons.has(reason.name);
    this.#reasons.set(reason.name, reason);
    return isNew;
  }

  /** @returns whether there was one. */
  clear(name: string): boolean {
    return this.#reasons.delete(name);
  }

  /** In the order in which they came up; empty while the daemon is ready. */
  reasons(): readonly Reason[] {
    return [...this.#reasons.values()];
  }

  /** Adds a metric with a value of 1 for each reason that there is. */
  addGauge(registry: Registry): void {
    const readiness = this;
    new Gauge({
      name: "anneal_not_ready",
      help: "1 for each reason why the provider is not ready",
      labelNames: ["reason"],
      registers: [registry],
      collect() {
        this.reset();
        for (const { name } of readiness.reasons()) this.set({ reason: name }, 1);
      },
    });
  }
}
