import { countDataset, type DatasetCount } from "../../sdk/dataset/counting/countDataset.ts";
import type { CatalogueModel } from "../../sdk/service/fetchCatalogue.ts";
import { fetchTokenizer } from "../../sdk/service/fetchTokenizer.ts";
import type { Service } from "../../sdk/service/Service.ts";

/** Counts a dataset as the provider will: with its unit and its model's tokenizer. */
export async function countFor(
  path: string,
  { service, model }: { readonly service: Service; readonly model: CatalogueModel },
): Promise<DatasetCount> {
  const { kind } = model;
  const { unit } = service;
  if (unit === "byte") return countDataset(path, { kind, unit });
  return countDataset(path, { kind, unit, tokenizer: await fetchTokenizer(service, { model }) });
}
