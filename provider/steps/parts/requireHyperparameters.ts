import type { RecordedOrder } from "../../../sdk/task/TaskOrder.ts";
import type { Hyperparameters } from "../../../sdk/training/Hyperparameters.ts";
import { TaskRefusedError } from "../../errors.ts";

/**
 * The hyper-parameters of an order.
 * @throws TaskRefusedError "ConfigInvalid" if its user wrote anything else.
 */
export function requireHyperparameters({ config }: Pick<RecordedOrder, "config">): Hyperparameters {
  if (config !== null) return config;
  throw new TaskRefusedError(
    "ConfigInvalid",
    "The task's configuration is not canonical JSON of known hyper-parameters.",
    "Order again with the SDK or the command line.",
  );
}
