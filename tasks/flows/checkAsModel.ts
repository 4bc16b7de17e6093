import type { DatasetReport } from "../../sdk/dataset/checking/checkDataset.ts";
import * as order from "../../sdk/order/checkAsModel.ts";
import type { CatalogueModel } from "../../sdk/service/fetchCatalogue.ts";
import type { Service } from "../../sdk/service/Service.ts";
import type { Hyperparameters } from "../../sdk/training/Hyperparameters.ts";
import { memoryFolder } from "../memory.ts";
import type { Terminal } from "../terminal/Terminal.ts";

/** Checks a dataset as a provider's model will see it, with a note if its tokenizer does not allow that. */
export function checkAsModel(
  path: string,
  { service, model }: { service: Service; model: CatalogueModel },
  config: Hyperparameters,
  { note: onNote }: Terminal,
): Promise<DatasetReport> {
  const memory = memoryFolder("datasets");
  return order.checkAsModel(path, { service, model, config, memory, onNote });
}
