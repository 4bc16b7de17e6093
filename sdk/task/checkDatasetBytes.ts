import { stat } from "node:fs/promises";
import { ProtocolError } from "../errors.ts";
import { readDatasetHeader } from "../exchange/openDataset.ts";
import type { VerifiedProvider } from "../service/verifyProvider.ts";

export interface DatasetToCheck {
  readonly service: Pick<VerifiedProvider["service"], "provider">;
  readonly catalogue: Pick<VerifiedProvider["catalogue"], "maxDatasetBytes">;
  /** Size of the training or validation dataset, before encryption. */
  readonly bytes: number | bigint;
  /** Names it in the error; default: "The dataset". */
  readonly path?: string;
}

/**
 * Refuses a dataset that is larger than the provider takes, before it is uploaded or ordered.
 * @throws ProtocolError "dataset-invalid" with its size and the limit.
 * @example checkDatasetBytes({ service, catalogue, bytes: await datasetBytes("capitals.jsonl") });
 */
export function checkDatasetBytes({
  service: { provider },
  catalogue: { maxDatasetBytes: limit = Number.POSITIVE_INFINITY },
  bytes,
  path = "The dataset",
}: DatasetToCheck): void {
  if (bytes <= limit) return;
  throw new ProtocolError(
    "dataset-invalid",
    `${path} has ${bytes.toLocaleString("en")} bytes, but provider ${provider} takes at most ${limit.toLocaleString("en")}.`,
    "Give a part of its rows, or choose another provider.",
    { next: { verb: "listServices" } },
  );
}

/**
 * Size of a dataset before encryption, whether the file is encrypted or not.
 * @throws ProtocolError "usage" if the file is missing or empty.
 * @example const bytes = await datasetBytes("capitals.jsonl");
 */
export async function datasetBytes(path: string): Promise<number> {
  return (await readDatasetHeader(path))?.size ?? (await stat(path)).size;
}
