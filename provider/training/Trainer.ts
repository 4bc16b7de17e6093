import type { TaskId } from "../../sdk/ids.ts";
import type { Model } from "../models/Catalogue.ts";

/** How a training run ended. */
export type TrainingEnd =
  | { readonly kind: "exit"; readonly code: number }
  /** Killed from outside: by the kernel for lack of memory, or by an operator. */
  | { readonly kind: "killed"; readonly signal: string };

/** The trainer's exit codes (the contract between daemon and trainer). */
export const EXIT = { done: 0, badConfig: 2, badData: 3, outOfMemory: 4, stopped: 75 } as const;

/** A dataset in a file. */
export interface CountedFile {
  readonly file: string;
  /** The file in which counting leaves the token ids for the training; its directory exists. */
  readonly tokens: string;
  /** Whether it is used only for evaluation, and not for training. */
  readonly isValidation?: boolean;
}

/** Runs training jobs: as processes on this machine, or as jobs of a Slurm cluster. */
export interface Trainer {
  /** Milliseconds that a stopped trainer has to save its state. */
  readonly grace: number;
  /**
   * Trains the job in the job directory, from its newest complete checkpoint, until it ends or `signal` aborts: then
   * the trainer saves its state and exits with code 75. If the signal's reason is a TaskRefusedError, the trainer is
   * killed instead, since there is nothing to save.
   */
  train(id: TaskId, jobDirectory: string, signal: AbortSignal): Promise<TrainingEnd>;
  /**
   * Counts the tokens of a dataset in the same way as the training does, with bounded memory and time.
   * @throws TaskRefusedError if the dataset or the model cannot be read.
   */
  countTokens(model: Model, dataset: CountedFile, signal: AbortSignal): Promise<number>;
  /**
   * Makes sure that training runs can start: with this machine's GPUs, or as jobs of the cluster.
   * @returns what they run on, such as "NVIDIA H200" or "CPU"; null if that is not known.
   * @throws ProviderError while they cannot.
   */
  checkMachine(signal: AbortSignal): Promise<string | null>;
}
