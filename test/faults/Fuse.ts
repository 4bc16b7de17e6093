/** The error that every action of a daemon throws after its sudden death. */
class Killed extends Error {
  override readonly name = "Killed";
}

/** Where a daemon dies: at the n-th pass of a point, counted from 1. */
export interface Blow {
  readonly point: string;
  readonly pass: number;
}

/**
 * The power switch of a daemon that runs in this process. Its parts pass named points; at the chosen one the daemon
 * dies: none of its later actions reaches the database or the chain.
 */
export class Fuse {
  /** Every point that was passed, in order. */
  readonly passed: string[] = [];
  readonly death: Promise<void>;
  readonly #blow: Blow | null;
  readonly #passes = new Map<string, number>();
  #die: () => void = () => undefined;
  #dead = false;

  constructor(blow: Blow | null = null) {
    this.#blow = blow;
    this.death = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  get isDead(): boolean {
    return this.#dead;
  }

  /** @throws Killed at the chosen point, and everywhere after. */
  pass(point: string): void {
    this.check();
    const pass = (this.#passes.get(point) ?? 0) + 1;
    this.#passes.set(point, pass);
    this.passed.push(point);
    if (this.#blow?.point !== point || this.#blow.pass !== pass) return;
    this.kill();
    this.check();
  }

  check(): void {
    if (this.#dead) throw new Killed("the daemon was killed");
  }

  kill(): void {
    this.#dead = true;
    this.#die();
  }
}
