import { checkDataset, type DatasetReport } from "../dataset/checking/checkDataset.ts";
import { requireFittingRows } from "../dataset/checking/requireFittingRows.ts";
import { createRowMeasurer } from "../dataset/tokenizer/measureRow.ts";
import type { TokenizerDocument } from "../dataset/tokenizer/TokenizerDocument.ts";
import { ProtocolError } from "../errors.ts";
import { fetchTokenizer } from "../service/fetchTokenizer.ts";
import type { Hyperparameters } from "../training/Hyperparameters.ts";
import type { CountForParameters } from "./countFor.ts";
import { treatmentOf } from "./treatmentOf.ts";

interface CheckAsModelParameters extends CountForParameters {
  readonly config: Hyperparameters;
  /** Called with a sentence if only the rows are checked. */
  readonly onNote?: ((sentence: string) => void) | undefined;
}

/**
 * Checks a dataset as a provider's model will see it: with its tokenizer and chat template, and truncated to its
 * maximum length. If its tokenizer does not allow exact counts, only the rows are checked.
 * @throws ProtocolError "usage" if the training method does not fit valid rows.
 */
export async function checkAsModel(
  path: string,
  parameters: CheckAsModelParameters,
): Promise<DatasetReport> {
  const report = await readReport(path, parameters);
  const { config, model } = parameters;
  const { format, errors } = report;
  if (errors === 0) requireFittingRows(config, { kind: model.kind, path, format });
  return report;
}

async function readReport(
  path: string,
  { service, model, config, memory, signal, onNote }: CheckAsModelParameters,
): Promise<DatasetReport> {
  const { kind } = model;
  if (kind === "image-classification") return checkDataset(path, { kind });
  const tokenizer = await fetchTokenizer(service, { model, signal });
  const reason = whyNotMeasured(tokenizer);
  if (reason !== undefined) {
    onNote?.(`Checked without the tokenizer: ${reason}`);
    return checkDataset(path, { kind, memory });
  }
  return checkDataset(path, { kind, tokenizer, ...treatmentOf(model, config), memory });
}

function whyNotMeasured(tokenizer: TokenizerDocument): string | undefined {
  try {
    createRowMeasurer(tokenizer, {});
    return undefined;
  } catch (error) {
    if (error instanceof ProtocolError) return error.message;
    throw error;
  }
}
