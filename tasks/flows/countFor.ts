import type { DatasetCount } from "../../sdk/dataset/counting/countDataset.ts";
import * as order from "../../sdk/order/countFor.ts";
import type { OfferedModel } from "../../sdk/service/OfferedModel.ts";
import { memoryFolder } from "../memory.ts";
import type { Terminal } from "../terminal/Terminal.ts";

/** Counts a dataset as the provider will; what was counted before is remembered. */
export function countFor(path: string, { service, model }: OfferedModel): Promise<DatasetCount> {
  return order.countFor(path, { service, model, memory: memoryFolder("datasets") });
}

/** Size of a validation dataset in the service's unit, with a note if it is only known in bytes. */
export function countValidation(
  path: string,
  { service, model }: OfferedModel,
  { note }: Terminal,
): Promise<bigint> {
  const at = { service, model, memory: memoryFolder("datasets") };
  return order.countValidation(path, at, note);
}
