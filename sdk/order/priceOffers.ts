import type { DatasetReport } from "../dataset/checking/checkDataset.ts";
import { problemError } from "../dataset/checking/requireValid.ts";
import { checkDatasetBytes, datasetBytes } from "../task/checkDatasetBytes.ts";
import { type Quote, quote } from "../task/quote.ts";
import type { Hyperparameters } from "../training/Hyperparameters.ts";
import { checkAsModel } from "./checkAsModel.ts";
import { countFor, countValidation } from "./countFor.ts";
import type { Candidate } from "./findCandidates.ts";

/** A candidate's price for a training. */
export interface Offer extends Candidate {
  /** Of the training dataset. */
  readonly rows: number;
  readonly quote: Quote;
}

/** The work to be priced. */
interface WantedWork {
  /** Path of the training dataset. */
  readonly trainingFile: string;
  /** Path of the validation dataset. */
  readonly validationFile?: string | undefined;
  readonly config: Hyperparameters;
  /** A folder that remembers what was found about large datasets, so that they are not read again. */
  readonly memory?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with a sentence about a provider that is left out, or a check that is not possible. */
  readonly onNote?: ((sentence: string) => void) | undefined;
  /** Called with the problems of the training dataset as a candidate's model sees it. */
  readonly onReport?: ((report: DatasetReport, candidate: Candidate) => void) | undefined;
}

/**
 * Checks and counts the datasets as each candidate will, and computes its price. Candidates that take no dataset of this
 * size are left out; equal checks and counts are made once.
 * @throws ProtocolError "dataset-invalid" for the first error of a dataset, or if no candidate takes its size.
 */
export async function priceOffers(
  candidates: readonly Candidate[],
  wanted: WantedWork,
): Promise<Offer[]> {
  const checked = new Set<string>();
  const counted = new Map<string, Counted>();
  const offers: Offer[] = [];
  for (const candidate of await takingDatasets(candidates, wanted)) {
    const { service, model } = candidate;
    const seenBy = `${model.kind} ${model.tokenizerHash} ${model.maxLength}`;
    if (!checked.has(seenBy)) await check(candidate, wanted);
    checked.add(seenBy);
    const key = `${service.unit} ${model.kind} ${model.tokenizerHash}`;
    const count = counted.get(key) ?? (await countBoth(candidate, wanted));
    counted.set(key, count);
    const { rows, ...sizes } = count;
    const { config } = wanted;
    offers.push({ ...candidate, rows, quote: quote({ service, model, config, ...sizes }) });
  }
  return offers;
}

/** @throws ProtocolError "dataset-invalid" if there is none. */
async function takingDatasets(
  candidates: readonly Candidate[],
  { trainingFile, validationFile, onNote }: WantedWork,
): Promise<Candidate[]> {
  const paths = [trainingFile, ...(validationFile === undefined ? [] : [validationFile])];
  const sizes = await Promise.all(
    paths.map(async (path) => ({ path, bytes: await datasetBytes(path) })),
  );
  const refusals: unknown[] = [];
  const taking = candidates.filter((candidate) => {
    try {
      for (const size of sizes) checkDatasetBytes({ ...candidate, ...size });
      return true;
    } catch (error) {
      refusals.push(error);
      return false;
    }
  });
  if (taking.length === 0) throw refusals[0];
  for (const error of refusals)
    onNote?.(`Left out: ${error instanceof Error ? error.message : error}`);
  return taking;
}

async function check(candidate: Candidate, wanted: WantedWork): Promise<void> {
  const { trainingFile, config, memory, signal, onNote, onReport } = wanted;
  const { service, model } = candidate;
  const options = { service, model, config, memory, signal, onNote };
  const report = await checkAsModel(trainingFile, options);
  onReport?.(report, candidate);
  const error = report.problems.find(({ severity }) => severity === "error");
  if (error) throw problemError(trainingFile, error);
}

/** Rows of the training dataset, and the sizes of both datasets in a service's unit. */
interface Counted {
  readonly rows: number;
  readonly dataSize: bigint;
  readonly validationSize: bigint;
}

async function countBoth(
  { service, model }: Candidate,
  { trainingFile, validationFile, memory, signal, onNote }: WantedWork,
): Promise<Counted> {
  const at = { service, model, memory, signal };
  const { rows, dataSize } = await countFor(trainingFile, at);
  const validationSize =
    validationFile === undefined ? 0n : await countValidation(validationFile, at, onNote);
  return { rows, dataSize, validationSize };
}
