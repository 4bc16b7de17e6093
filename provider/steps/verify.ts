import { getService } from "../../sdk/service/getService.ts";
import { TaskRefusedError } from "../errors.ts";
import { isBeforeAcceptance } from "../machine/machine.ts";
import { weightBytes } from "../models/Catalogue.ts";
import type { JobRecord } from "../store/Store.ts";
import { findCheckpoint } from "./parts/keptCheckpoints.ts";
import { readModel } from "./parts/readModel.ts";
import { requireHyperparameters } from "./parts/requireHyperparameters.ts";
import type { StepContext, StepFunction } from "./parts/StepContext.ts";
import { verifiedBlind } from "./parts/verifiedBlind.ts";

/** Checks everything about an order that can be checked before fetching its dataset. */
export const verify: StepFunction = async (context, record) => {
  const { order } = record;
  const model = readModel(context, order.modelHash);
  const { from_checkpoint, lora } = requireHyperparameters(order);
  if (from_checkpoint !== undefined) await findCheckpoint(context, record, from_checkpoint);
  verifyKeys(context, record);
  const outputBytes = (await weightBytes(model)) * (lora ? ADAPTER_SHARE : 1);
  verifyTime(context, record, outputBytes);
  const service = await getService(context.client, { provider: context.provider });
  const { unit, minimumUnits } = service;
  const { name, rates } = model;
  return { unit, minimumUnits: Number(minimumUnits), rates, model: name, outputBytes };
};

/** Upper bound for an adapter's share of its model's bytes. */
const ADAPTER_SHARE = 0.1;
/** Least time for training, in seconds. */
const MIN_TRAINING_SECONDS = 30;

/** Refuses an order that could not be delivered in time. */
function verifyTime({ times }: StepContext, { job }: JobRecord, outputBytes: number): void {
  const margin = times.margin({ facts: { outputBytes } });
  if (!isBeforeAcceptance(job) || job.trainingTime >= margin + MIN_TRAINING_SECONDS) return;
  throw new TaskRefusedError(
    "ProviderBusy",
    `The task has ${job.trainingTime} s, of which ${margin} s are needed to package and deliver its model.`,
    "Choose a provider with a longer training time, or a smaller model.",
  );
}

/** Without the agreed blinding, neither side could prove anything in a dispute. */
function verifyKeys({ encryptionKeys }: StepContext, { order }: JobRecord): void {
  if (verifiedBlind(encryptionKeys, order)) return;
  throw new TaskRefusedError(
    "KeyMismatch",
    "The order's blindRoot does not match the keys of the user and this provider.",
    "Order again; if it happens again, the registered encryption key is not one of the provider's.",
  );
}
