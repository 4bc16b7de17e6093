import { basename } from "node:path";
import type { ArchiveEntry } from "../../files/archive.ts";
import { listOutput } from "../../files/JobOutput.ts";

/** Files of a checkpoint that are needed only to resume the same training run: twice as large as the weights. */
const ONLY_FOR_RESUMING: readonly string[] = ["training.safetensors", "state.json", "COMPLETE"];

/** The trainer's folders in its directory. */
const OUTPUT = "out";
const CHECKPOINTS = "checkpoints";

/**
 * The files of the trained model, including the receipt; empty if there are none.
 * @param work the directory that the training run may write to
 * @throws TaskRefusedError if they have more than `maxBytes`.
 */
export async function listModel(work: string, maxBytes: number): Promise<ArchiveEntry[]> {
  const files = await listOutput(work, OUTPUT, maxBytes);
  return files.map((file) => ({ name: file.path.slice(OUTPUT.length + 1), file }));
}

/**
 * The files of a training run's checkpoints, with names such as `step-7/model.safetensors`.
 * @throws TaskRefusedError if they have more than `maxBytes`.
 */
export async function listCheckpoints(work: string, maxBytes: number): Promise<ArchiveEntry[]> {
  const files = await listOutput(work, CHECKPOINTS, maxBytes);
  return files.map((file) => ({ name: file.path.slice(CHECKPOINTS.length + 1), file }));
}

/** Whether a file of a checkpoint belongs to its weights. */
export function isWeights(name: string): boolean {
  return STEP.test(name) && !ONLY_FOR_RESUMING.includes(basename(name));
}

/** Number of the step that a checkpoint's file belongs to. */
export function stepOf(name: string): number {
  return Number(STEP.exec(name)![1]);
}

const STEP = /^step-(\d{1,12})\/[^/]+$/;
