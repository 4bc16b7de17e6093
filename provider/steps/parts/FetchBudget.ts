import type { Clock } from "../../clock.ts";

const HOUR = 3_600_000;

/** Limits the bytes fetched per user and hour for orders that are not accepted yet. */
export class FetchBudget {
  readonly #clock: Clock;
  readonly #bytes: number;
  readonly #spent = new Map<string, { readonly at: number; readonly bytes: number }[]>();

  constructor(clock: Clock, bytes: number) {
    this.#clock = clock;
    this.#bytes = bytes;
  }

  /** Spends `bytes` of a user's budget. @returns false, and spends nothing, if it does not suffice. */
  take(user: string, bytes: number): boolean {
    this.#forgetOld();
    const spent = this.#spent.get(user) ?? [];
    const sum = spent.reduce((total, each) => total + each.bytes, 0);
    if (sum + bytes > this.#bytes) return false;
    this.#spent.set(user, [...spent, { at: this.#clock.now(), bytes }]);
    return true;
  }

  #forgetOld(): void {
    const oldest = this.#clock.now() - HOUR;
    for (const [user, spent] of this.#spent) {
      const recent = spent.filter(({ at }) => at > oldest);
      if (recent.length === 0) this.#spent.delete(user);
      else this.#spent.set(user, recent);
    }
  }
}
