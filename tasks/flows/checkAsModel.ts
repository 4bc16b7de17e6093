import type { DatasetReport } from "../../sdk/dataset/checking/checkDataset.ts";
import * as order from "../../sdk/order/checkAsModel.ts";
import type { OfferedModel } from "../../sdk/service/OfferedModel.ts";
import type { Hyperparameters } from "../../sdk/training/Hyperparameters.ts";
import { memoryFolder } from "../memory.ts";
import type { Terminal } from "../terminal/Terminal.ts";

/** Checks a dataset as a provider's model will see it, with a note if its tokenizer does not allow that. */
export function checkAsModel(
  path: string,
  { service, model }: OfferedModel,
  config: Hyperparameters,
  { note: onNote }: Terminal,
): Promise<DatasetReport> {
  const memory = memoryFolder("datasets");
  return order.checkAsModel(path, { service, model, config, memory, onNote });
}
