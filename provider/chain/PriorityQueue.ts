interface Waiting {
  readonly isUrgent: boolean;
  readonly run: () => Promise<void>;
}

/** Runs tasks one at a time in the order of the calls, urgent ones first. A failed task does not affect the others. */
export class PriorityQueue {
  readonly #waiting: Waiting[] = [];
  #isBusy = false;

  run<T>(work: () => Promise<T>, { isUrgent = false } = {}): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ isUrgent, run: () => work().then(resolve, reject) });
      void this.#next();
    });
  }

  async #next(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    for (let work = this.#take(); work; work = this.#take()) await work.run();
    this.#isBusy = false;
  }

  #take(): Waiting | undefined {
    const urgent = this.#waiting.findIndex(({ isUrgent }) => isUrgent);
    return this.#waiting.splice(Math.max(0, urgent), 1)[0];
  }
}
