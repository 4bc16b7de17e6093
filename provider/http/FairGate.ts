import type { ServerResponse } from "node:http";

interface Waiter {
  readonly weight: number;
  readonly usesReserve: boolean;
  readonly admit: () => void;
}

export interface GateLimits {
  /** Total weight admitted at once. */
  readonly total: number;
  /** Weight admitted at once for one key. */
  readonly perKey: number;
  /** Part of the total for requests with `usesReserve`; as much again is for keys that have nothing admitted. */
  readonly reserved?: number;
}

/**
 * Admits requests up to a total weight and a weight per key. Others wait, and their bodies are not read meanwhile. Keys
 * take turns, so that a key with many requests does not starve one with few.
 */
export class FairGate {
  readonly #limits: Required<GateLimits>;
  readonly #held = new Map<string, number>();
  readonly #waiting = new Map<string, Waiter[]>();
  #total = 0;

  constructor({ total, perKey, reserved = 0 }: GateLimits) {
    this.#limits = { total, perKey, reserved };
  }

  /**
   * Resolves when the request may proceed; never, if its client disconnects while it waits. Its weight is released when
   * the response ends.
   * @param key client that the request counts for
   * @param weight at most `perKey`
   */
  enter(
    response: ServerResponse,
    key: string,
    { weight = 1, usesReserve = false }: { weight?: number; usesReserve?: boolean } = {},
  ): Promise<void> {
    return new Promise((resolve) => {
      const waiter = {
        weight,
        usesReserve,
        admit: () => this.#admit(key, weight, response, resolve),
      };
      if (!this.#waiting.has(key) && this.#fits(key, waiter)) {
        waiter.admit();
        return;
      }
      const queue = this.#waiting.get(key) ?? [];
      queue.push(waiter);
      this.#waiting.set(key, queue);
      response.once("close", () => this.#giveUp(key, waiter));
    });
  }

  #admit(name: string, weight: number, response: ServerResponse, proceed: () => void): void {
    this.#total += weight;
    this.#held.set(name, (this.#held.get(name) ?? 0) + weight);
    let hasLeft = false;
    const leave = () => {
      if (hasLeft) return;
      hasLeft = true;
      this.#leave(name, weight);
    };
    if (response.destroyed || response.writableFinished) {
      leave();
      return;
    }
    response.once("finish", leave);
    response.once("close", leave);
    proceed();
  }

  #leave(name: string, weight: number): void {
    this.#total -= weight;
    const held = this.#held.get(name)! - weight;
    if (held > 0) this.#held.set(name, held);
    else this.#held.delete(name);
    this.#letIn();
  }

  #letIn(): void {
    for (const [name, queue] of [...this.#waiting]) {
      const next = queue[0]!;
      if (!this.#fits(name, next)) continue;
      queue.shift();
      this.#waiting.delete(name);
      if (queue.length > 0) this.#waiting.set(name, queue); // behind the others
      next.admit();
    }
  }

  #giveUp(name: string, waiter: Waiter): void {
    const queue = this.#waiting.get(name);
    const place = queue?.indexOf(waiter) ?? -1;
    if (!queue || place < 0) return;
    queue.splice(place, 1);
    if (queue.length === 0) this.#waiting.delete(name);
  }

  #fits(name: string, { weight, usesReserve }: Waiter): boolean {
    const { total, perKey, reserved } = this.#limits;
    const held = this.#held.get(name) ?? 0;
    const room = usesReserve ? total : held === 0 ? total - reserved : total - 2 * reserved;
    return this.#total + weight <= room && held + weight <= perKey;
  }
}
