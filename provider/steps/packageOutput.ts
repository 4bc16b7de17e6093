import { createHash } from "node:crypto";
import { ZeroHash } from "ethers";
import { tunedModelName } from "../../sdk/deliverable/tunedModelName.ts";
import { ProviderError, TaskRefusedError } from "../errors.ts";
import { type ArchiveEntry, packOutput } from "../files/archive.ts";
import { openListed } from "../files/JobOutput.ts";
import { jobPaths } from "../files/jobPaths.ts";
import { isWeights, listCheckpoints, listModel, stepOf } from "./parts/modelFiles.ts";
import { requireFacts } from "./parts/requireFacts.ts";
import { requireHyperparameters } from "./parts/requireHyperparameters.ts";
import type { StepFunction } from "./parts/StepContext.ts";

/**
 * Packs the trained model into the archive for the user: everything is in one folder with the model's name, so that
 * unpacking it leaves the user's own files as they are.
 */
export const packageOutput: StepFunction = async (context, record, signal, strikes) => {
  const { id, order, facts } = record;
  const { work, archive } = jobPaths(context.jobsDirectory, id);
  const model = await listModel(work, context.maxJobBytes);
  if (model.length === 0)
    throw strikes + 1 < MAX_ATTEMPTS ? outputMissingError(work, strikes + 1) : outputLostError();
  const entries = withCheckpoints(model, await listCheckpoints(work, context.maxJobBytes));
  const { suffix } = requireHyperparameters(order);
  const folder = tunedModelName(requireFacts(facts, "model").model, suffix);
  const { sha256, size } = await packOutput(work, { folder, entries }, archive, signal);
  return { archive: sha256, size, receiptRoot: await hashReceipt(work, model) };
};

/** Attempts before a task whose model is missing is given up: a file system may become available again. */
const MAX_ATTEMPTS = 10;

function outputMissingError(directory: string, strikes: number): ProviderError {
  return new ProviderError(`The trainer left no output in ${directory}.`, {
    retryable: true,
    strikes,
    hint: "Check trainer.log next to it, or restore the directory.",
  });
}

/** Failing the task costs nothing; missing its deadline costs a part of the bond. */
function outputLostError(): TaskRefusedError {
  return new TaskRefusedError(
    "TrainingError",
    "The trained model is no longer on the provider's disk.",
    "Order again, or choose another provider; the fee was returned.",
  );
}

/**
 * Adds the weights of the kept checkpoints to the model, except those of the last, which equal the model. The receipt
 * was written earlier and covers only the model.
 */
function withCheckpoints(
  model: readonly ArchiveEntry[],
  checkpoints: readonly ArchiveEntry[],
): ArchiveEntry[] {
  const kept = checkpoints.filter(({ name }) => isWeights(name));
  const last = Math.max(...kept.map(({ name }) => stepOf(name)));
  const own = model.filter(({ name }) => !name.startsWith("checkpoints/"));
  const others = kept.filter(({ name }) => stepOf(name) !== last);
  return [...own, ...others.map(({ name, file }) => ({ name: `checkpoints/${name}`, file }))];
}

/** SHA-256 of receipt.json, as by `sha256sum`; zero if the trainer wrote none. */
async function hashReceipt(work: string, model: readonly ArchiveEntry[]): Promise<string> {
  const receipt = model.find(({ name }) => name === "receipt.json");
  if (!receipt) return ZeroHash;
  const hash = createHash("sha256");
  for await (const chunk of (await openListed(work, receipt.file)).createReadStream())
    hash.update(chunk);
  return `0x${hash.digest("hex")}`;
}
