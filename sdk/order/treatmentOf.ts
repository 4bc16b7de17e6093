import type { RowTreatment } from "../dataset/tokenizer/maskRow.ts";
import type { CatalogueModel } from "../service/fetchCatalogue.ts";
import type { Hyperparameters } from "../training/Hyperparameters.ts";

/** How a model's job treats rows: the model has a maximum length of its own. Documents that are packed are not cut. */
export function treatmentOf(model: CatalogueModel, config: Hyperparameters): RowTreatment {
  const limits = [model.maxLength, config.max_seq_length].filter((each) => each !== undefined);
  return {
    ...(limits.length > 0 && !config.pack_documents && { maxLength: Math.min(...limits) }),
    trainOnInputs: config.train_on_inputs === true,
  };
}
