import { mkdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { ProtocolError } from "../../../sdk/errors.ts";
import { sealedDatasetSize } from "../../../sdk/exchange/datasetCipher.ts";
import { openDataset, readDatasetHeader } from "../../../sdk/exchange/openDataset.ts";
import type { Root } from "../../../sdk/ids.ts";
import { download } from "../../../sdk/storage/download.ts";
import { TaskRefused } from "../../errors.ts";
import { detectFormat } from "../detectFormat.ts";
import { readModel } from "../readModel.ts";
import { jobPaths, type StepContext, type StepFunction } from "../StepContext.ts";

/** Downloads the datasets into the job directory, under names that say their format. */
export const fetchDataset: StepFunction = async (context, { id, order, facts }, signal) => {
  const paths = jobPaths(context.jobsDirectory, id);
  const { kind } = readModel(context, order.model);
  await mkdir(paths.data, { recursive: true, mode: 0o700 });
  const declared = facts.unit === "byte" ? Number(order.units) : context.maxDatasetBytes;
  const fetch = async (root: Root, name: string, maxBytes: number) => {
    const target = join(paths.data, `${name}.fetched`);
    await fetchOne(context, root, target, maxBytes, signal);
    await decryptInPlace(context, target, signal);
    const { size } = await stat(target);
    if (size > maxBytes) throw tooLarge(size, maxBytes);
    const format = await detectFormat(target, kind);
    await rename(target, join(paths.data, `${name}.${format}`));
    return `data/${name}.${format}`;
  };
  const train = await fetch(order.datasetRoot, "train", declared);
  const { validationRoot } = order;
  const validation = validationRoot
    ? await fetch(validationRoot, "validation", context.maxDatasetBytes)
    : null;
  return { train, validation };
};

async function fetchOne(
  { client }: StepContext,
  root: Root,
  target: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<void> {
  // Asked for the first time before the first byte is fetched. An encrypted dataset is a little larger.
  const onProgress = ({ total }: { total: number }) => {
    if (total > sealedDatasetSize(maxBytes)) throw tooLarge(total, maxBytes);
  };
  try {
    await download(client.storageUrl, root, target, { signal, onProgress });
  } catch (error) {
    if (error instanceof ProtocolError && error.code === "not-found")
      throw unavailable(client.storageUrl, root, error);
    throw error;
  }
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
    if (error instanceof ProtocolError && error.code === "integrity") throw unreadable(error);
    throw error;
  }
  await rename(`${path}.opened`, path);
}

function unreadable({ message, hint, cause }: ProtocolError): TaskRefused {
  return new TaskRefused("DatasetInvalid", message, hint, cause);
}

function tooLarge(size: number, maximum: number): TaskRefused {
  return new TaskRefused(
    "DatasetLargerThanDeclared",
    `The dataset has ${size} bytes, more than the ${maximum} that the order allows.`,
    "Count the dataset with calculate-token and order again with that size.",
  );
}

/** A user whose own storage has the dataset would upload it there for ever: the hint names the storage that is read. */
function unavailable(storageUrl: string, root: Root, cause: unknown): TaskRefused {
  const place = nameable(storageUrl);
  return new TaskRefused(
    "DatasetUnavailable",
    `The storage that this provider reads does not have the dataset ${root}.`,
    place
      ? `Upload it there and order again: STORAGE_ENDPOINT=${place} npx hardhat upload --data-path <PATH>, or fine-tuning create with the same STORAGE_ENDPOINT.`
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
