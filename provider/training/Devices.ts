import { readdirSync } from "node:fs";

/** The environment variable with the GPUs that CUDA may use: numbers or UUIDs, separated by commas. */
export const VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES";

/** The GPUs for training: those named by the operator, else all that the kernel knows. */
export function visibleDevices(environment: Readonly<Record<string, string>>): string[] {
  const named = environment[VISIBLE_DEVICES];
  if (named !== undefined) return named.split(",").filter((name) => name.trim() !== "");
  const cards = readdirSync("/dev").filter((name) => /^nvidia\d+$/.test(name));
  return cards.map((_, index) => `${index}`);
}

/** Assigns one GPU to each training run, which would use only one in any case. */
export class Devices {
  readonly #users: Map<string, number>;

  constructor(names: readonly string[]) {
    this.#users = new Map(names.map((name) => [name, 0]));
  }

  /** Whether there is any GPU. */
  get hasAny(): boolean {
    return this.#users.size > 0;
  }

  /** The GPU with the fewest training runs; null if there is none. Return it with `release`. */
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
