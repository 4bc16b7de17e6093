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
  /** As listed in the service's catalogue. */
  readonly model: CatalogueModel;
  readonly signal?: AbortSignal;
}

/**
 * Fetches a model's tokenizer, which determines the price of a dataset if the unit is the token.
 * @throws ProtocolError "integrity" unless its hash is the one in the catalogue. "network" if the provider does not
 * answer; the signal's reason when aborted.
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
      `Provider ${service.provider} serves a different tokenizer for ${model.name} than the one in its catalogue.`,
      "Choose another provider.",
      { next: { verb: "listServices" } },
    );
  }
  return parseJson(service, bytes, TokenizerDocument, path);
}
