import { Gauge, type Registry } from "prom-client";

/** Why the daemon is not ready, and what its operator can do about it. */
export interface Reason {
  /** Stable identifier, such as `chain` or `gas`. */
  readonly name: string;
  readonly message: string;
  readonly hint: string;
}

/** The reasons why the daemon is not ready. Each part sets and clears its own. */
export class Readiness {
  readonly #reasons = new Map<string, Reason>();

  /** Sets the reason, replacing one of the same name. @returns whether there was none before. */
  set(reason: Reason): boolean {
    const isNew = !this.#reasons.has(reason.name);
    this.#reasons.set(reason.name, reason);
    return isNew;
  }

  /** Removes a reason. @returns whether there was one. */
  clear(name: string): boolean {
    return this.#reasons.delete(name);
  }

  /** Oldest first; empty while the daemon is ready. */
  reasons(): readonly Reason[] {
    return [...this.#reasons.values()];
  }

  /** Adds a metric whose value is 1 for each current reason. */
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
