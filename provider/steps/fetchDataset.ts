import { mkdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { detectFormat } from "../../sdk/dataset/formats/detectFormat.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { sealedDatasetSize } from "../../sdk/exchange/DatasetCipher.ts";
import { openDataset, readDatasetHeader } from "../../sdk/exchange/openDataset.ts";
import type { Root } from "../../sdk/ids.ts";
import { download } from "../../sdk/storage/download.ts";
import { largestDatasets } from "../../sdk/task/workUnits.ts";
import { ProviderError, TaskRefusedError } from "../errors.ts";
import { jobPaths } from "../files/jobPaths.ts";
import { isBeforeAcceptance } from "../machine/machine.ts";
import type { Model } from "../models/Catalogue.ts";
import type { JobRecord } from "../store/Store.ts";
import { readModel } from "./parts/readModel.ts";
import { requireFacts } from "./parts/requireFacts.ts";
import { requireHyperparameters } from "./parts/requireHyperparameters.ts";
import type { StepContext, StepFunction } from "./parts/StepContext.ts";

/** Attempts to fetch a dataset, over about ten minutes: its user may still be uploading it. */
export const MAX_ATTEMPTS = 16;
/** Upper bound for the bytes per token of text, including escapes and column names. */
const BYTES_PER_TOKEN = 4096;
/** Upper bound for the bytes of an image, which counts as one token. */
const BYTES_PER_IMAGE = 16 * 2 ** 20;
/** Size that a dataset may always have if the price is per token. */
const SMALL_BYTES = 2 ** 20;

/** Downloads the datasets into the job directory, named by their format. */
export const fetchDataset: StepFunction = async (context, record, signal, strikes) => {
  const { id, order } = record;
  const paths = jobPaths(context.jobsDirectory, id);
  const { kind } = readModel(context, order.modelHash);
  await mkdir(paths.data, { recursive: true, mode: 0o700 });
  const paid = paidBytes(context, record, kind);
  const attempts = strikes + 1;
  const fetch = async (root: Root, name: string, maxBytes: number) => {
    const target = join(paths.data, `${name}.fetched`);
    await fetchOne(context, record, { root, target, maxBytes, attempts }, signal);
    await decryptInPlace(context, target, signal);
    const { size } = await stat(target);
    if (size > maxBytes) throw tooLargeError(context, size, maxBytes);
    const format = await detectFormat(target, kind);
    await rename(target, join(paths.data, `${name}.${format}`));
    return `data/${name}.${format}`;
  };
  const train = await fetch(order.datasetRoot, "train", paid.train);
  const { validationRoot } = order;
  const validation = validationRoot
    ? await fetch(validationRoot, "validation", paid.validation)
    : null;
  return { train, validation };
};

/** Largest sizes in bytes of the datasets whose work the order pays for. */
function paidBytes(
  { maxDatasetBytes }: StepContext,
  { order, facts }: JobRecord,
  kind: Model["kind"],
): { readonly train: number; readonly validation: number } {
  const { unit, rates } = requireFacts(facts, "unit", "rates");
  const config = requireHyperparameters(order);
  const { train, validation } = largestDatasets({ units: order.units, config, rates });
  const perToken = kind === "image-classification" ? BYTES_PER_IMAGE : BYTES_PER_TOKEN;
  const bytes = (size: bigint) =>
    Math.min(
      maxDatasetBytes,
      unit === "byte" ? Number(size) : SMALL_BYTES + Number(size) * perToken,
    );
  return { train: bytes(train), validation: bytes(validation) };
}

interface Wanted {
  readonly root: Root;
  readonly target: string;
  readonly maxBytes: number;
  /** Number of this attempt, from 1. */
  readonly attempts: number;
}

async function fetchOne(
  context: StepContext,
  { user, job }: JobRecord,
  { root, target, maxBytes, attempts }: Wanted,
  signal: AbortSignal,
): Promise<void> {
  const { client, publicStorageUrl, fetchBudget } = context;
  let isFirst = true;
  // First called before the first byte is fetched. An encrypted dataset is slightly larger.
  const onProgress = ({ bytes, total }: { bytes: number; total: number }) => {
    if (total > sealedDatasetSize(maxBytes)) throw tooLargeError(context, total, maxBytes);
    const isCharged = isFirst && isBeforeAcceptance(job);
    if (isCharged && !fetchBudget.take(user, total - bytes)) throw overBudgetError();
    isFirst = false;
  };
  try {
    await download(client.storageUrl, root, target, { signal, onProgress });
  } catch (error) {
    if (error instanceof ProtocolError && error.code === "not-found")
      throw attempts < MAX_ATTEMPTS
        ? notYetAvailableError(root, attempts)
        : unavailableError(publicStorageUrl, root, error);
    throw error;
  }
}

function overBudgetError(): ProviderError {
  return new ProviderError("The user's hourly limit of bytes to fetch is reached.", {
    retryable: true,
    hint: "The dataset will be fetched later.",
  });
}

function notYetAvailableError(root: Root, strikes: number): ProviderError {
  return new ProviderError(`The storage does not have the dataset ${root} yet.`, {
    retryable: true,
    hint: "This will be retried; its user may still be uploading it.",
    strikes,
  });
}

/** Decrypts a dataset that was encrypted for this provider; leaves others unchanged. */
async function decryptInPlace(
  { encryptionKeys }: StepContext,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  if (!(await readDatasetHeader(path))) return;
  let failure: ProtocolError | null = null;
  for (const { secret } of encryptionKeys.all) {
    try {
      await openDataset(path, `${path}.opened`, { secret, signal });
      return await rename(`${path}.opened`, path);
    } catch (error) {
      if (!(error instanceof ProtocolError && error.code === "integrity")) throw error;
      failure ??= error;
    }
  }
  if (failure) throw unreadableError(failure);
}

function unreadableError({ message, hint, cause }: ProtocolError): TaskRefusedError {
  return new TaskRefusedError("DatasetInvalid", message, hint, cause);
}

function tooLargeError(
  { maxDatasetBytes }: StepContext,
  size: number,
  maximum: number,
): TaskRefusedError {
  return size > maxDatasetBytes
    ? new TaskRefusedError(
        "DatasetInvalid",
        `The dataset has ${size} bytes, more than this provider's maximum, ${maxDatasetBytes}.`,
        "Split the dataset, or choose another provider.",
      )
    : new TaskRefusedError(
        "DatasetLargerThanDeclared",
        `The dataset has ${size} bytes, more than the ${maximum} that the order's units of work pay for.`,
        "Count both datasets with calculate-token, and order again with these sizes.",
      );
}

/** The hint names the provider's storage: the user may have uploaded the dataset to another one. */
function unavailableError(storageUrl: string, root: Root, cause: unknown): TaskRefusedError {
  const place = nameable(storageUrl);
  return new TaskRefusedError(
    "DatasetUnavailable",
    `The storage that this provider reads does not have the dataset ${root}, even after ten minutes.`,
    place
      ? `Upload it there and order again: set STORAGE_ENDPOINT=${place} for upload and create-task, or for fine-tuning create.`
      : "Ask the provider which storage it uses, upload the dataset there, and order again.",
    cause,
  );
}

/** The storage's URL for users; null if it may contain a secret. */
function nameable(storageUrl: string): string | null {
  const urls = storageUrl.split(",").map((url) => url.trim());
  const isPlain = urls.every((url) => {
    const parsed = URL.parse(url.replace(/^0g\+/, ""));
    return parsed !== null && parsed.href === `${parsed.origin}/`;
  });
  return isPlain ? urls.join(",") : null;
}
