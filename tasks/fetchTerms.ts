import { z } from "zod";
import { ProtocolError } from "../sdk/errors.ts";
import { fetchJson } from "../sdk/service/providerApi.ts";

const DaemonTerms = z.object({
  provider: z.string().max(100),
  catalogueHash: z.string().regex(/^0x[0-9a-f]{64}$/),
  encryptionKey: z.string().regex(/^0x0[23][0-9a-f]{64}$/),
});

/** What a running daemon knows about itself and the chain must know too. */
export interface DaemonTerms {
  /** keccak256 of the catalogue it serves. */
  readonly catalogueHash: string;
  /** Compressed secp256k1 point, 33 bytes as 0x-hex. */
  readonly encryptionKey: string;
}

/**
 * Asks the daemon at `url` for the parts of its terms that only it knows.
 * @throws ProtocolError "usage" when it runs with another key than `provider`'s.
 */
export async function fetchTerms(url: string, provider: string): Promise<DaemonTerms> {
  const terms = await fetchJson({ provider, url }, { path: "/v1/terms" }, DaemonTerms);
  if (terms.provider.toLowerCase() === provider.toLowerCase()) {
    return { catalogueHash: terms.catalogueHash, encryptionKey: terms.encryptionKey };
  }
  throw new ProtocolError(
    "usage",
    `The daemon at ${url} runs as ${terms.provider}, and this wallet is ${provider}.`,
    "Start the daemon with the key that registers, or set that key in ZG_PRIVATE_KEY.",
  );
}
