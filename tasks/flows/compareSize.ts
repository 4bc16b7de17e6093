import { requireFittingRows } from "../../sdk/dataset/checking/requireFittingRows.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { readDatasetHeader } from "../../sdk/exchange/openDataset.ts";
import type { Root } from "../../sdk/ids.ts";
import type { Catalogue } from "../../sdk/service/fetchCatalogue.ts";
import type { OfferedModel } from "../../sdk/service/OfferedModel.ts";
import { checkDatasetBytes, datasetBytes } from "../../sdk/task/checkDatasetBytes.ts";
import type { Hyperparameters } from "../../sdk/training/Hyperparameters.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { countFor } from "./countFor.ts";
import { withDataset } from "./withDataset.ts";

interface At extends OfferedModel {
  readonly catalogue: Catalogue;
}

/** A stored dataset, and the size that its user declares, in the unit of the price. */
interface Declared {
  readonly datasetRoot: Root;
  readonly dataSize: bigint;
  readonly config: Hyperparameters;
}

/**
 * Counts a stored dataset as the provider will, and compares that with the declared size, before anything is paid.
 * @throws ProtocolError "usage" if the dataset is larger, or the training method does not fit its rows, which the provider would refuse; "not-found" if the storage
 * does not have it; "dataset-invalid" if the provider takes none of its size.
 */
export async function compareSize(
  at: At,
  { datasetRoot, dataSize, config }: Declared,
  storageUrl: string,
  terminal: Terminal,
): Promise<void> {
  const size = await withDataset(datasetRoot, storageUrl, terminal, ({ path }) =>
    sizeOf(path, at, config, terminal),
  );
  if (size === null || size === dataSize) return;
  const found = `The dataset has ${size} ${at.service.unit}s`;
  const cure = `Order with --data-size ${size}`;
  if (size > dataSize) {
    throw new ProtocolError(
      "usage",
      `${found}, more than the ${dataSize} of --data-size: the provider would refuse the task.`,
      `${cure}.`,
    );
  }
  terminal.note(`${found}, but you pay for the ${dataSize} of --data-size. ${cure} instead.`);
}

/** Null for the tokens of an encrypted dataset, which only the provider can count. */
async function sizeOf(
  path: string,
  at: At,
  config: Hyperparameters,
  terminal: Terminal,
): Promise<bigint | null> {
  checkDatasetBytes({ ...at, bytes: await datasetBytes(path) });
  const sealed = await readDatasetHeader(path);
  if (!sealed) {
    const { dataSize, format } = await countFor(path, at);
    requireFittingRows(config, { kind: at.model.kind, path, format });
    return dataSize;
  }
  if (at.service.unit === "byte") return BigInt(sealed.size);
  terminal.note("The dataset is encrypted, so --data-size cannot be compared with its tokens.");
  return null;
}
