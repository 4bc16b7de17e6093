import { z } from "zod";
import type { CatalogueModel } from "../../sdk/service/fetchCatalogue.ts";
import type { Rates } from "../../sdk/service/Rates.ts";

const BILLION = 1e9;
/** Basis points of a model of a billion parameters: 6 floating-point operations per parameter and token. */
const FULL = 10_000;
/** 4 of these 6: gradients pass through the frozen weights, but none are computed for them. */
const LORA = (FULL * 4) / 6;
/** 2 of these 6: only the forward pass. */
const EVALUATION = (FULL * 2) / 6;
/** Weights for the user, and weights with both moments to resume: 16 GB take as long to write as training on 100,000 tokens. */
const CHECKPOINT_UNITS = 100_000;
/** Weights of an adapter relative to those of its model. */
const ADAPTER_SHARE = 0.005;

/** The parts of config.json that show the size of a model's weights and inputs. */
export const SizeConfig = z.object({
  dtype: z.string().optional(),
  torch_dtype: z.string().optional(),
  vocab_size: z.number().int().nonnegative().default(0).catch(0),
  hidden_size: z.number().int().nonnegative().default(0).catch(0),
  tie_word_embeddings: z.boolean().default(true).catch(true),
  image_size: z.number().int().positive().default(224).catch(224),
  patch_size: z.number().int().positive().default(16).catch(16),
});

/** The rates of a model that follow from the size of its weights, relative to a model of a billion parameters. */
export function defaultRates(
  kind: CatalogueModel["kind"],
  weightBytes: number,
  config: z.infer<typeof SizeConfig>,
): Rates {
  const { dtype = config.torch_dtype, image_size, patch_size } = config;
  const billions = weightBytes / bytesPerParameter(dtype) / BILLION;
  const multiplied = Math.max(0, billions - lookedUp(kind, config) / BILLION);
  // An image is one token of the price, and as many tokens of the model as it has patches.
  const positions = kind === "image-classification" ? (image_size / patch_size) ** 2 : 1;
  const rate = (bps: number) => Math.max(1, Math.round(multiplied * positions * bps));
  return {
    full: rate(FULL),
    lora: rate(LORA),
    evaluation: rate(EVALUATION),
    checkpointUnits: Math.ceil(billions * CHECKPOINT_UNITS),
    loraCheckpointUnits: Math.ceil(billions * CHECKPOINT_UNITS * ADAPTER_SHARE),
  };
}

/** Parameters that are only looked up: the embeddings of tokens, unless the output is multiplied with the same. */
function lookedUp(kind: CatalogueModel["kind"], config: z.infer<typeof SizeConfig>): number {
  const isMultiplied = kind === "causal-lm" && config.tie_word_embeddings;
  return isMultiplied ? 0 : config.vocab_size * config.hidden_size;
}

const bytesPerParameter = (dtype: string | undefined): number =>
  dtype === "bfloat16" || dtype === "float16" ? 2 : 4;
