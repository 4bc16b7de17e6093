import { keccak256 } from "ethers";
import { z } from "zod";
import { DATASET_KINDS } from "../dataset/formats/DatasetRow.ts";
import { ProtocolError } from "../errors.ts";
import { printable } from "../printable.ts";
import { fetchBytes, parseJson } from "./providerApi.ts";
import { Rates } from "./Rates.ts";
import type { Service } from "./Service.ts";

const Hash = z.string().regex(/^0x[0-9a-f]{64}$/);

const text = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .transform((value) => printable(value));

const CatalogueModel = z.object({
  name: z.string().regex(/^[A-Za-z0-9][\w.-]{0,99}$/),
  kind: z.enum(DATASET_KINDS),
  /** What it is for, in the provider's words; absent: what its kind says. */
  type: text(40).optional(),
  description: text(2_000),
  /** Hash of the model's files; `model` in an order. */
  hash: Hash,
  /** True if every provider offers it, false if only this one does. */
  predefined: z.boolean(),
  /** Size of its weights. */
  weightBytes: z.number().int().nonnegative().optional(),
  license: text(100).optional(),
  /** keccak256 of the exact bytes of the model's tokenizer document; an image model's is empty. */
  tokenizerHash: Hash,
  /** Maximum number of tokens in a row; absent for images. */
  maxLength: z.number().int().positive().optional(),
  /** What its work counts. */
  rates: Rates,
});

const Catalogue = z.object({
  models: z.array(CatalogueModel).max(1_000),
  /** Bytes of the largest dataset that the provider trains on, before encryption; absent: it publishes no limit. */
  maxDatasetBytes: z.number().int().positive().optional(),
});

export type CatalogueModel = z.infer<typeof CatalogueModel>;
export type Catalogue = z.infer<typeof Catalogue>;

const PATH = "/v1/models";
const LIMITS = { maxBytes: 1024 * 1024, timeout: 15_000 };

/**
 * Fetches the catalogue of models that the provider can train.
 * @throws ProtocolError "integrity" unless its hash is the one that the provider registered on chain. "network" if the
 * provider does not answer; the signal's reason when aborted.
 * @example const { models } = await fetchCatalogue(service);
 */
export async function fetchCatalogue(service: Service, signal?: AbortSignal): Promise<Catalogue> {
  const bytes = await fetchBytes(service, { path: PATH, signal }, LIMITS);
  if (keccak256(bytes) !== service.catalogueHash) {
    throw new ProtocolError(
      "integrity",
      `Provider ${service.provider} serves a different catalogue of models than the one registered on chain.`,
      "Choose another provider, or ask this one to update its registration.",
      { next: { verb: "listServices" } },
    );
  }
  return parseJson(service, bytes, Catalogue, PATH);
}
