import { z } from "zod";
import { ProtocolError } from "../errors.ts";
import type { Archive, ArchiveEntry } from "./openArchive.ts";

/**
 * Folder of the checkpoints in a provider's archive; the last checkpoint is the model itself and is not stored twice.
 */
const CHECKPOINTS = "checkpoints/";
const RECEIPT = "receipt.json";

/** A file of a model, and its path in the output. */
export interface ModelFile {
  readonly entry: ArchiveEntry;
  readonly target: string;
}

const Receipt = z.object({ checkpoints: z.array(z.object({ step: z.number().int() })) });

/**
 * The files of the latest weights, or of the checkpoint of one step.
 * @throws ProtocolError "usage" with the existing steps.
 */
export async function chooseFiles(archive: Archive, step: number | null): Promise<ModelFile[]> {
  const { entries } = archive;
  const latest = entries.filter(({ name }) => !name.startsWith(CHECKPOINTS));
  const asLatest = latest.map((entry) => ({ entry, target: entry.name }));
  if (step === null) return asLatest;
  const prefix = `${CHECKPOINTS}step-${step}/`;
  const chosen = entries.filter(({ name }) => name.startsWith(prefix));
  if (chosen.length > 0) {
    return chosen.map((entry) => ({ entry, target: entry.name.slice(prefix.length) }));
  }
  const last = await lastStep(archive);
  if (step === last) return asLatest;
  throw unknownStepError(step, [...keptSteps(entries), ...(last === undefined ? [] : [last])]);
}

/** The step of the latest weights according to the receipt; undefined if it does not say. */
async function lastStep(archive: Archive): Promise<number | undefined> {
  const receipt = archive.entries.find(({ name }) => name === RECEIPT);
  if (!receipt) return undefined;
  const parsed = Receipt.safeParse(tryJson(await archive.readText(receipt)));
  return parsed.success ? parsed.data.checkpoints.at(-1)?.step : undefined;
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function keptSteps(entries: readonly ArchiveEntry[]): number[] {
  const steps = entries.map(({ name }) => /^checkpoints\/step-(\d+)\//.exec(name)?.[1]);
  return [...new Set(steps)].filter((step) => step !== undefined).map(Number);
}

/** The error for a checkpoint that was not saved. */
export function unknownStepError(step: number, steps: readonly number[]): ProtocolError {
  const known = steps.toSorted((a, b) => a - b).join(", ");
  return new ProtocolError(
    "usage",
    `The model has no checkpoint of step ${step}.`,
    known === ""
      ? "It has only its latest weights: omit the step."
      : `Choose one of these steps: ${known}.`,
  );
}
