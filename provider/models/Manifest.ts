import { z } from "zod";
import { DATASET_KINDS } from "../../sdk/dataset/formats/DatasetRow.ts";
import { Rates } from "../../sdk/service/Rates.ts";
import { ModelSource } from "./fetchModel.ts";
import { readJsonFile } from "./readJsonFile.ts";

export const MANIFEST_NAME = "anneal.json";

/** `anneal.json` in a model's directory: what its other files do not contain. All keys are optional. */
const Manifest = z.strictObject({
  kind: z.enum(DATASET_KINDS).optional(),
  /** What it is for, such as "Reasoning Tasks", shown in the column Type; default: by its kind. */
  type: z.string().min(1).max(40).optional(),
  description: z.string().max(2_000).optional(),
  license: z.string().min(1).max(100).optional(),
  /** Whether it is listed with the models that every provider offers, instead of as this provider's own. */
  predefined: z.boolean().optional(),
  /** Those that differ from the defaults by the model's size. */
  rates: Rates.partial().optional(),
  /** Where the model is fetched from, if its files are not next to the manifest. */
  source: ModelSource.optional(),
});

/** Reads a model's manifest, which may be absent. @throws Error as readJsonFile. */
export async function readManifest(directory: string): Promise<z.output<typeof Manifest>> {
  try {
    return await readJsonFile(directory, MANIFEST_NAME, Manifest);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}
