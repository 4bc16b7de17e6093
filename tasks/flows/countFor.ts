import { countDataset, type DatasetCount } from "../../sdk/dataset/counting/countDataset.ts";
import { readDatasetHeader } from "../../sdk/exchange/openDataset.ts";
import type { CatalogueModel } from "../../sdk/service/fetchCatalogue.ts";
import { fetchTokenizer } from "../../sdk/service/fetchTokenizer.ts";
import type { Service } from "../../sdk/service/Service.ts";
import { memoryFolder } from "../memory.ts";
import type { Terminal } from "../terminal/Terminal.ts";

/** A provider's service, and the model that a dataset is for. */
interface At {
  readonly service: Service;
  readonly model: CatalogueModel;
}

/** Counts a dataset as the provider will: with its unit and its model's tokenizer. */
export async function countFor(path: string, { service, model }: At): Promise<DatasetCount> {
  const { kind } = model;
  const { unit } = service;
  if (unit === "byte") return countDataset(path, { kind, unit });
  const tokenizer = await fetchTokenizer(service, { model });
  return countDataset(path, { kind, unit, tokenizer, memory: memoryFolder("datasets") });
}

/**
 * Size of a validation dataset in the service's unit. An encrypted one, which only the provider can read, has at most as
 * many tokens as bytes; the difference is not charged at delivery.
 */
export async function countValidation(path: string, at: At, terminal: Terminal): Promise<bigint> {
  const sealed = await readDatasetHeader(path);
  if (!sealed) return (await countFor(path, at)).dataSize;
  if (at.service.unit === "token") {
    terminal.note(
      "The validation dataset is encrypted, so its bytes are quoted as tokens. The fee is reduced at delivery.",
    );
  }
  return BigInt(sealed.size);
}
