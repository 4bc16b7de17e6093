import { readdirSync } from "node:fs";

/** The variable by which CUDA is told which graphics cards a program may use: numbers or UUIDs, by commas. */
export const VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES";

/** The cards that trainings may use: those that the operator names, else all that the kernel knows. */
export function visibleDevices(environment: Readonly<Record<string, string>>): string[] {
  const named = environment[VISIBLE_DEVICES];
  if (named !== undefined) return named.split(",").filter((name) => name.trim() !== "");
  const cards = readdirSync("/dev").filter((name) => /^nvidia\d+$/.test(name));
  return cards.map((_, index) => `${index}`);
}

/** Hands each training one graphics card: a training uses one, and only one, of those that it sees. */
export class Devices {
  readonly #users: Map<string, number>;

  constructor(names: readonly string[]) {
    this.#users = new Map(names.map((name) => [name, 0]));
  }

  /** Whether there is any card. */
  get hasAny(): boolean {
    return this.#users.size > 0;
  }

  /** The card that the fewest trainings use; null where there is none. Give it back with `release`. */
  take(): string | null {
    const [least] = [...this.#users].sort(([, a], [, b]) => a - b);
    if (!least) return null;
    this.#users.set(least[0], least[1] + 1);
    return least[0];
  }

  release(name: string | null): void {
    if (name !== null) this.#users.set(name, this.#users.get(name)! - 1);
  }
}
