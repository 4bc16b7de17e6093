import { basename } from "node:path";
import type { ArchiveEntry } from "../../files/archive.ts";
import { listOutput } from "../../files/JobOutput.ts";

/** Files of a checkpoint that only a restart of the same training needs: twice as large as the weights. */
const ONLY_FOR_RESUMING: readonly string[] = ["training.safetensors", "state.json", "COMPLETE"];

/** Folders that the trainer writes, in its directory. */
const OUTPUT = "out";
const CHECKPOINTS = "checkpoints";

/**
 * What a user gets of a training: the model, empty when there is none. The receipt is among it.
 * @param work what the training may write to
 * @throws TaskRefusedError when it is more than `maxBytes`.
 */
export async function listModel(work: string, maxBytes: number): Promise<ArchiveEntry[]> {
  const files = await listOutput(work, OUTPUT, maxBytes);
  return files.map((file) => ({ name: file.path.slice(OUTPUT.length + 1), file }));
}

/**
 * The weights of a training's checkpoints, under names such as `step-7/model.safetensors`.
 * @throws TaskRefusedError when they are more than `maxBytes`.
 */
export async function listCheckpoints(work: string, maxBytes: number): Promise<ArchiveEntry[]> {
  const files = await listOutput(work, CHECKPOINTS, maxBytes);
  return files.map((file) => ({ name: file.path.slice(CHECKPOINTS.length + 1), file }));
}

/** Whether a file of a checkpoint is part of its weights. */
export function isWeights(name: string): boolean {
  return STEP.test(name) && !ONLY_FOR_RESUMING.includes(basename(name));
}

/** Number of the step that a checkpoint's file belongs to. */
export function stepOf(name: string): number {
  return Number(STEP.exec(name)![1]);
}

const STEP = /^step-(\d{1,12})\/[^/]+$/;
