import type { ServerResponse } from "node:http";

interface Waiter {
  readonly weight: number;
  readonly usesReserve: boolean;
  readonly admit: () => void;
}

export interface GateLimits {
  /** Weight of all that are in at once. */
  readonly total: number;
  /** Weight of those with one key. */
  readonly perKey: number;
  /** Part of the total for those who are entitled to it; as much again is for keys that have nothing in yet. */
  readonly reserved?: number;
}

/**
 * Lets requests in as far as there is room, for all together and for each key. The others wait, and are not read
 * meanwhile; keys take turns, so that somebody with many requests does not keep out somebody with one.
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
   * Settles when the request may proceed; never if its client gives up while it waits. What it holds is given back when
   * the response is over.
   * @param key whose request it is
   * @param weight at most the weight that one key may have
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
