import type { DatasetCount } from "../../sdk/dataset/counting/countDataset.ts";
import * as order from "../../sdk/order/countFor.ts";
import type { CatalogueModel } from "../../sdk/service/fetchCatalogue.ts";
import type { Service } from "../../sdk/service/Service.ts";
import { memoryFolder } from "../memory.ts";
import type { Terminal } from "../terminal/Terminal.ts";

/** A provider's service, and the model that a dataset is for. */
interface At {
  readonly service: Service;
  readonly model: CatalogueModel;
}

/** Counts a dataset as the provider will; what was counted before is remembered. */
export function countFor(path: string, { service, model }: At): Promise<DatasetCount> {
  return order.countFor(path, { service, model, memory: memoryFolder("datasets") });
}

/** Size of a validation dataset in the service's unit, with a note if it is only known in bytes. */
export function countValidation(
  path: string,
  { service, model }: At,
  { note }: Terminal,
): Promise<bigint> {
  const at = { service, model, memory: memoryFolder("datasets") };
  return order.countValidation(path, at, note);
}
