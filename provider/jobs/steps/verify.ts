import { getService } from "../../../sdk/service/getService.ts";
import { TaskRefused } from "../../errors.ts";
import type { JobRecord } from "../../store/Store.ts";
import { agreedBlind } from "../agreedBlind.ts";
import { findCheckpoint } from "../keptCheckpoints.ts";
import { readHyperparameters } from "../readHyperparameters.ts";
import { readModel } from "../readModel.ts";
import type { StepContext, StepFunction } from "../StepContext.ts";

/** Checks everything about an order that can be checked before it is accepted. */
export const verify: StepFunction = async (context, record) => {
  const { order } = record;
  const model = readModel(context, order.model);
  const { from_checkpoint } = readHyperparameters(order.config);
  if (from_checkpoint !== undefined) await findCheckpoint(context, record, from_checkpoint);
  verifyKeys(context, record);
  if (order.units > BigInt(context.maxDatasetBytes)) {
    throw new TaskRefused(
      "DatasetInvalid",
      `The declared size of ${order.units} is more than this provider takes (${context.maxDatasetBytes}).`,
      "Split the dataset, or choose another provider.",
    );
  }
  const { unit } = await getService(context.client, { provider: context.provider });
  return { unit, model: model.name };
};

/** With another blinding than the one agreed on, neither side could prove anything in a dispute. */
function verifyKeys({ encryptionKey }: StepContext, { order }: JobRecord): void {
  if (agreedBlind(encryptionKey, order)) return;
  throw new TaskRefused(
    "KeyMismatch",
    "The order's blindRoot does not follow from the user's key and this provider's.",
    "Order again; if it happens again, the provider has changed his encryption key since the order.",
  );
}
