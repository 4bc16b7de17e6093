import { mkdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { detectFormat } from "../../sdk/dataset/formats/detectFormat.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { sealedDatasetSize } from "../../sdk/exchange/DatasetCipher.ts";
import { openDataset, readDatasetHeader } from "../../sdk/exchange/openDataset.ts";
import type { Root } from "../../sdk/ids.ts";
import { download } from "../../sdk/storage/download.ts";
import { ProviderError, TaskRefusedError } from "../errors.ts";
import { jobPaths } from "../files/jobPaths.ts";
import { isBeforeAcceptance } from "../machine/machine.ts";
import type { Model } from "../models/Catalogue.ts";
import type { JobRecord } from "../store/Store.ts";
import { readModel } from "./parts/readModel.ts";
import type { StepContext, StepFunction } from "./parts/StepContext.ts";

/** Times that a dataset is looked for, over some ten minutes: its user may be uploading it still. */
export const MAX_ATTEMPTS = 16;
/** More bytes than any dataset has for a token of text, with escapes and names of columns. */
const BYTES_PER_TOKEN = 4096;
/** An image is one token. */
const BYTES_PER_IMAGE = 16 * 2 ** 20;
/** A dataset may always have so many bytes, and a validation dataset with it. */
const SMALL_BYTES = 2 ** 20;

/** Downloads the datasets into the job directory, under names that say their format. */
export const fetchDataset: StepFunction = async (context, record, signal, strikes) => {
  const { id, order } = record;
  const paths = jobPaths(context.jobsDirectory, id);
  const { kind } = readModel(context, order.model);
  await mkdir(paths.data, { recursive: true, mode: 0o700 });
  const declared = declaredBytes(context, record, kind);
  const attempts = strikes + 1;
  const fetch = async (root: Root, name: string, maxBytes: number) => {
    const target = join(paths.data, `${name}.fetched`);
    await fetchOne(context, record, { root, target, maxBytes, attempts }, signal);
    await decryptInPlace(context, target, signal);
    const { size } = await stat(target);
    if (size > maxBytes) throw tooLargeError(size, maxBytes);
    const format = await detectFormat(target, kind);
    await rename(target, join(paths.data, `${name}.${format}`));
    return `data/${name}.${format}`;
  };
  const train = await fetch(order.datasetRoot, "train", declared);
  const { validationRoot } = order;
  const validation = validationRoot
    ? await fetch(validationRoot, "validation", Math.max(SMALL_BYTES, declared))
    : null;
  return { train, validation };
};

/** Bytes that the training dataset may have, by what its user declared. */
function declaredBytes(
  { maxDatasetBytes }: StepContext,
  { order, facts }: JobRecord,
  kind: Model["kind"],
): number {
  const units = Number(order.units);
  if (facts.unit === "byte") return Math.min(maxDatasetBytes, units);
  const perToken = kind === "image-classification" ? BYTES_PER_IMAGE : BYTES_PER_TOKEN;
  return Math.min(maxDatasetBytes, SMALL_BYTES + units * perToken);
}

interface Wanted {
  readonly root: Root;
  readonly target: string;
  readonly maxBytes: number;
  /** Times that it was looked for, with this one. */
  readonly attempts: number;
}

async function fetchOne(
  { client, publicStorageUrl, fetchBudget }: StepContext,
  { user, job }: JobRecord,
  { root, target, maxBytes, attempts }: Wanted,
  signal: AbortSignal,
): Promise<void> {
  let isFirst = true;
  // Asked for the first time before the first byte is fetched. An encrypted dataset is a little larger.
  const onProgress = ({ bytes, total }: { bytes: number; total: number }) => {
    if (total > sealedDatasetSize(maxBytes)) throw tooLargeError(total, maxBytes);
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
  return new ProviderError("The user's orders have had enough bytes fetched for this hour.", {
    retryable: true,
    hint: "The dataset is fetched later.",
  });
}

function notYetAvailableError(root: Root, strikes: number): ProviderError {
  return new ProviderError(`The storage does not have the dataset ${root} yet.`, {
    retryable: true,
    hint: "It is looked for again; its user may still be uploading it.",
    strikes,
  });
}

/** Opens a dataset that was encrypted for this provider; any other stays as it is. */
async function decryptInPlace(
  { encryptionKey }: StepContext,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  if (!(await readDatasetHeader(path))) return;
  try {
    await openDataset(path, `${path}.opened`, { secret: encryptionKey.secret, signal });
  } catch (error) {
    if (error instanceof ProtocolError && error.code === "integrity") throw unreadableError(error);
    throw error;
  }
  await rename(`${path}.opened`, path);
}

function unreadableError({ message, hint, cause }: ProtocolError): TaskRefusedError {
  return new TaskRefusedError("DatasetInvalid", message, hint, cause);
}

function tooLargeError(size: number, maximum: number): TaskRefusedError {
  return new TaskRefusedError(
    "DatasetLargerThanDeclared",
    `The dataset has ${size} bytes, more than the ${maximum} that the order allows.`,
    "Count the dataset with calculate-token and order again with that size.",
  );
}

/** A user whose own storage has the dataset would upload it there for ever: the hint names the storage that is read. */
function unavailableError(storageUrl: string, root: Root, cause: unknown): TaskRefusedError {
  const place = nameable(storageUrl);
  return new TaskRefusedError(
    "DatasetUnavailable",
    `The storage that this provider reads does not have the dataset ${root}: it was looked for over ten minutes.`,
    place
      ? `Upload it there and order again: set STORAGE_ENDPOINT=${place} for upload and create-task, or for fine-tuning create.`
      : "Ask the provider which storage it reads, upload the dataset there, and order again.",
    cause,
  );
}

/** The storage as users can name it, too; null if its address may hold a secret. */
function nameable(storageUrl: string): string | null {
  const urls = storageUrl.split(",").map((url) => url.trim());
  const isPlain = urls.every((url) => {
    const parsed = URL.parse(url.replace(/^0g\+/, ""));
    return parsed !== null && parsed.href === `${parsed.origin}/`;
  });
  return isPlain ? urls.join(",") : null;
}
