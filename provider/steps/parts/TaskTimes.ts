import type { Step } from "../../machine/machine.ts";
import type { JobRecord } from "../../store/Store.ts";
import { requireHyperparameters } from "./requireHyperparameters.ts";
import { taskWork } from "./taskWork.ts";

/** Seconds for the transaction that delivers or gives up, until measured. */
const TRANSACTION_SECONDS = 20;
/** Seconds per byte to package, encrypt and upload a model, until measured: 10 MB/s. */
const SECONDS_PER_BYTE = 1e-7;
/** The time for smaller models does not depend on their size. */
const MEASURABLE_BYTES = 50e6;
/** Seconds. The time of shorter training runs is mostly overhead. */
const MEASURABLE_TRAINING = 60;
const REMEMBERED = 10;

const AFTER_TRAINING: readonly Step[] = ["package", "seal", "upload"];

/** Measures the steps on this machine since the daemon started, and predicts their durations, in seconds. */
export class TaskTimes {
  readonly #grace: number;
  readonly #transactions: number[] = [];
  readonly #perByte: number[] = [];
  readonly #perUnit = new Map<string, number[]>();
  readonly #spent = new Map<string, number>();

  /** @param grace milliseconds that a trainer has to stop */
  constructor(grace: number) {
    this.#grace = grace / 1000;
  }

  /** Records the duration of a step, in milliseconds. */
  note(step: Step, { id, order, facts }: JobRecord, milliseconds: number): void {
    const seconds = milliseconds / 1000;
    if (step === "deliver") {
      remember(this.#transactions, seconds);
      this.#notePerByte(id, facts.size ?? 0);
    } else if (AFTER_TRAINING.includes(step)) {
      this.#spent.set(id, (this.#spent.get(id) ?? 0) + seconds);
    } else if (step === "train" && seconds >= MEASURABLE_TRAINING) {
      const key = kindOf({ order });
      const known = this.#perUnit.get(key) ?? [];
      remember(known, seconds / workOf({ order, facts }));
      this.#perUnit.set(key, known);
    }
  }

  /** Seconds before the training deadline that are reserved to stop, package, seal, upload and deliver. */
  margin({ facts }: Pick<JobRecord, "facts">): number {
    const transaction = Math.max(TRANSACTION_SECONDS, 2 * Math.max(0, ...this.#transactions));
    const perByte = Math.max(SECONDS_PER_BYTE, 1.5 * Math.max(0, ...this.#perByte));
    return Math.ceil(this.#grace + transaction + perByte * (facts.outputBytes ?? 0));
  }

  /** Seconds that a training run takes at the highest speed measured for its kind; null if none was measured. */
  training(record: Pick<JobRecord, "order" | "facts">): number | null {
    const known = this.#perUnit.get(kindOf(record));
    return known ? Math.min(...known) * workOf(record) : null;
  }

  #notePerByte(id: string, size: number): void {
    const seconds = this.#spent.get(id);
    this.#spent.delete(id);
    if (seconds !== undefined && size >= MEASURABLE_BYTES) remember(this.#perByte, seconds / size);
  }
}

function remember(values: number[], value: number): void {
  values.push(value);
  if (values.length > REMEMBERED) values.shift();
}

function kindOf({ order }: Pick<JobRecord, "order">): string {
  const { lora, batch_size } = requireHyperparameters(order);
  return `${order.modelHash}/${lora ?? false}/${batch_size ?? "default"}`;
}

/** Units of work, of a training that has ended those that were done. */
function workOf(record: Pick<JobRecord, "order" | "facts">): number {
  return Number(taskWork(record).sum);
}
