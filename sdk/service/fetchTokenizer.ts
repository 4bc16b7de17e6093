import { keccak256 } from "ethers";
import { z } from "zod";
import { ProtocolError } from "../errors.ts";
import type { CatalogueModel } from "./fetchCatalogue.ts";
import { fetchBytes, parseJson } from "./providerApi.ts";
import type { Service } from "./Service.ts";

const TokenizerDocument = z.object({
  tokenizer: z.record(z.string(), z.unknown()),
  tokenizerConfig: z.record(z.string(), z.unknown()),
});

/** A model's `tokenizer.json` and `tokenizer_config.json`. */
export type TokenizerDocument = z.infer<typeof TokenizerDocument>;

const LIMITS = { maxBytes: 64 * 1024 * 1024, timeout: 300_000 };

export interface FetchTokenizerParameters {
  /** As the service's catalogue lists it. */
  readonly model: CatalogueModel;
  readonly signal?: AbortSignal;
}

/**
 * Fetches a model's tokenizer, which decides what a dataset costs if the unit is the token.
 * @throws ProtocolError "integrity" unless it is the one the catalogue names.
 * "network" if the provider does not answer; the signal's reason when aborted.
 * @example const tokenizer = await fetchTokenizer(service, { model });
 */
export async function fetchTokenizer(
  service: Service,
  { model, signal }: FetchTokenizerParameters,
): Promise<TokenizerDocument> {
  const path = `/v1/models/${encodeURIComponent(model.name)}/tokenizer`;
  const bytes = await fetchBytes(service, { path, signal }, LIMITS);
  if (keccak256(bytes) !== model.tokenizerHash) {
    throw new ProtocolError(
      "integrity",
      `Provider ${service.provider} serves another tokenizer for ${model.name} than its catalogue names.`,
      "Choose another provider.",
      { next: { verb: "listServices" } },
    );
  }
  return parseJson(service, bytes, TokenizerDocument, path);
}
