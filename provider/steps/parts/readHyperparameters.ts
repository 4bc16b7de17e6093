import { ProtocolError } from "../../../sdk/errors.ts";
import type { Hyperparameters } from "../../../sdk/training/Hyperparameters.ts";
import { parseCanonicalConfig } from "../../../sdk/training/parseHyperparameters.ts";
import { TaskRefusedError } from "../../errors.ts";

/**
 * Parses the config of an order, which is untrusted input.
 * @throws TaskRefusedError "ConfigInvalid" unless it is canonical JSON of known hyper-parameters.
 */
export function readHyperparameters(config: string): Hyperparameters {
  try {
    return parseCanonicalConfig(Buffer.from(config));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new TaskRefusedError("ConfigInvalid", error.message, error.hint, error);
  }
}
