import { checkDataset, type DatasetReport } from "../../sdk/dataset/checking/checkDataset.ts";
import { createRowMeasurer } from "../../sdk/dataset/tokenizer/measureRow.ts";
import type { TokenizerDocument } from "../../sdk/dataset/tokenizer/TokenizerDocument.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import type { CatalogueModel } from "../../sdk/service/fetchCatalogue.ts";
import { fetchTokenizer } from "../../sdk/service/fetchTokenizer.ts";
import type { Service } from "../../sdk/service/Service.ts";
import type { Hyperparameters } from "../../sdk/training/Hyperparameters.ts";
import { memoryFolder } from "../memory.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { treatmentOf } from "./treatmentOf.ts";

/**
 * Checks a dataset as a provider's model will see it: with its tokenizer and chat template, and truncated to its
 * maximum length. If its tokenizer does not allow exact counts, only the rows are checked, with a note.
 */
export async function checkAsModel(
  path: string,
  { service, model }: { service: Service; model: CatalogueModel },
  config: Hyperparameters,
  terminal: Terminal,
): Promise<DatasetReport> {
  const { kind } = model;
  if (kind === "image-classification") return checkDataset(path, { kind });
  const tokenizer = await fetchTokenizer(service, { model });
  const reason = whyNotMeasured(tokenizer);
  if (reason !== undefined) {
    terminal.note(`Checked without the tokenizer: ${reason}`);
    return checkDataset(path, { kind, memory: memoryFolder("datasets") });
  }
  const treatment = treatmentOf(model, config);
  return checkDataset(path, { kind, tokenizer, ...treatment, memory: memoryFolder("datasets") });
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
