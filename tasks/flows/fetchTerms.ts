import { z } from "zod";
import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { fetchJson } from "../../sdk/service/providerApi.ts";
import { isPublicUrl } from "../../sdk/service/publicUrl.ts";

type Wallet = Client & { readonly address: string };

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
 * Asks the caller's daemon at `url` for the parts of its terms that only it knows.
 * @throws ProtocolError "usage" when users could not reach that address, or the daemon runs with another key than the
 * caller's; "network" when no daemon answers there.
 */
export async function fetchTerms(client: Wallet, url: string): Promise<DaemonTerms> {
  const { address: provider } = client;
  checkUrl(client, url);
  const request = { path: "/v1/terms" };
  const terms = await fetchJson({ provider, url }, request, DaemonTerms).catch((cause) => {
    throw daemonError(url, cause);
  });
  if (terms.provider.toLowerCase() === provider.toLowerCase()) {
    return { catalogueHash: terms.catalogueHash, encryptionKey: terms.encryptionKey };
  }
  throw new ProtocolError(
    "usage",
    `The daemon at ${url} runs as ${terms.provider}, and this wallet is ${provider}.`,
    "Start the daemon with the key that registers, or set that key in ZG_PRIVATE_KEY.",
  );
}

function checkUrl(client: Client, url: string): void {
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? "")) {
    throw new ProtocolError(
      "usage",
      `"${url}" is not an http or https address.`,
      "Give --url the address at which users reach your daemon, for example https://gpu.example.org.",
    );
  }
  if (isPublicUrl(client, url)) return;
  throw new ProtocolError(
    "usage",
    `Users of this network cannot reach ${url}: it is an address of your own machine or network.`,
    "Give --url the public address of your daemon, for example https://gpu.example.org.",
  );
}

function daemonError(url: string, cause: unknown): unknown {
  if (!(cause instanceof ProtocolError)) return cause;
  return new ProtocolError(
    "network",
    `Your daemon does not answer at ${url}.`,
    `Check that it runs, that ${new URL("/v1/terms", url)} answers from another machine, and that --url is that address.`,
    { cause },
  );
}
