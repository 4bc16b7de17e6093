import type { Clock } from "../../clock.ts";

const HOUR = 3_600_000;

/** Bytes that are fetched for each user within an hour before anything of theirs is accepted. */
export class FetchBudget {
  readonly #clock: Clock;
  readonly #bytes: number;
  readonly #spent = new Map<string, { readonly at: number; readonly bytes: number }[]>();

  constructor(clock: Clock, bytes: number) {
    this.#clock = clock;
    this.#bytes = bytes;
  }

  /** Takes `bytes` of what a user has left. @returns false when that is not enough: nothing is taken then. */
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
