import type { RowTreatment } from "../dataset/tokenizer/maskRow.ts";
import type { CatalogueModel } from "../service/fetchCatalogue.ts";
import type { Hyperparameters } from "../training/Hyperparameters.ts";

/** How a model's job treats rows: the model has a maximum length of its own. */
export function treatmentOf(model: CatalogueModel, config: Hyperparameters): RowTreatment {
  const lengths = [model.maxLength, config.max_seq_length].filter((each) => each !== undefined);
  return {
    ...(lengths.length > 0 && { maxLength: Math.min(...lengths) }),
    trainOnInputs: config.train_on_inputs === true,
  };
}
