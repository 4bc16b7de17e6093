import type { TaskId } from "../../sdk/ids.ts";
import type { Model } from "../models/Catalogue.ts";

/** How a training ended. */
export type TrainingEnd =
  | { readonly kind: "exit"; readonly code: number }
  /** Killed from outside: the machine ran out of memory, or somebody stopped it. */
  | { readonly kind: "killed"; readonly signal: string };

/** The trainer's exit codes (the contract between daemon and trainer). */
export const EXIT = { done: 0, badConfig: 2, badData: 3, outOfMemory: 4, stopped: 75 } as const;

/** A dataset in a file. */
export interface CountedFile {
  readonly file: string;
  /** Whether it is only measured on, and not trained on. */
  readonly isValidation?: boolean;
}

/** Where trainings run: processes on this machine; a cluster's queue would be another implementation. */
export interface Trainer {
  /** Milliseconds that a training which is stopped gets to save its state. */
  readonly grace: number;
  /**
   * Trains what lies in the job directory, from its newest complete checkpoint, until the end or until `signal` aborts:
   * then the trainer saves its state and exits with code 75. A training that is refused meanwhile has nothing to save:
   * where the signal's reason is a TaskRefusedError, the trainer is killed.
   */
  train(id: TaskId, jobDirectory: string, signal: AbortSignal): Promise<TrainingEnd>;
  /**
   * Counts a dataset's tokens as the model's tokenizer and the training see them, with bounded memory and time.
   * @throws TaskRefusedError when the dataset or the model cannot be read.
   */
  countTokens(model: Model, dataset: CountedFile, signal: AbortSignal): Promise<number>;
  /**
   * Makes sure that trainings can use the graphics cards that this machine has. Absent where trainings run on others:
   * there the trainer itself does.
   * @throws ProviderError while they cannot.
   */
  checkMachine?(signal: AbortSignal): Promise<void>;
}
