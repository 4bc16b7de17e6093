import { countDataset, type DatasetCount } from "../dataset/counting/countDataset.ts";
import { readDatasetHeader } from "../exchange/openDataset.ts";
import { fetchTokenizer } from "../service/fetchTokenizer.ts";
import type { OfferedModel } from "../service/OfferedModel.ts";

export interface CountForParameters extends OfferedModel {
  /** A folder that remembers what was found about large datasets, so that they are not read again. */
  readonly memory?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Counts a dataset as the provider will: in the unit of its price, and with its model's tokenizer.
 * @throws ProtocolError like fetchTokenizer and countDataset.
 * @example const { rows, dataSize } = await countFor("capitals.jsonl", { service, model });
 */
export async function countFor(
  path: string,
  { service, model, memory, signal }: CountForParameters,
): Promise<DatasetCount> {
  const { kind } = model;
  const { unit } = service;
  if (unit === "byte") return countDataset(path, { kind, unit });
  const tokenizer = await fetchTokenizer(service, { model, signal });
  return countDataset(path, { kind, unit, tokenizer, memory });
}

/**
 * Size of a validation dataset in the service's unit. An encrypted one, which only the provider can read, has at most as
 * many tokens as bytes; the difference is not charged at delivery.
 * @param onNote called with a sentence if that is so
 */
export async function countValidation(
  path: string,
  at: CountForParameters,
  onNote?: (sentence: string) => void,
): Promise<bigint> {
  const sealed = await readDatasetHeader(path);
  if (!sealed) return (await countFor(path, at)).dataSize;
  if (at.service.unit === "token") {
    onNote?.(
      "The validation dataset is encrypted, so its bytes are quoted as tokens. The fee is reduced at delivery.",
    );
  }
  return BigInt(sealed.size);
}
