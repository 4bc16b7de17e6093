import { z } from "zod";
import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { fetchJson } from "../../sdk/service/providerApi.ts";
import { isPublicUrl } from "../../sdk/service/publicUrl.ts";

type Wallet = Client & { readonly address: string };

const DaemonTerms = z.object({
  provider: z.string().max(100),
  operator: z.string().regex(/^0x[0-9a-fA-F]{40}$/),
  catalogueHash: z.string().regex(/^0x[0-9a-f]{64}$/),
  encryptionKey: z.string().regex(/^0x0[23][0-9a-f]{64}$/),
});

/** The parts of a service's terms that come from its running daemon. */
export interface DaemonTerms {
  /** keccak256 of the catalogue that it serves. */
  readonly catalogueHash: string;
  /** Compressed secp256k1 point, 33 bytes as 0x-hex. */
  readonly encryptionKey: string;
  /** Address of its key. */
  readonly operator: string;
}

/**
 * Requests from the owner's daemon at `url` the parts of its terms that only the daemon knows.
 * @throws ProtocolError "usage" if users cannot reach that URL, or the daemon works for another provider; "network" if
 * no daemon answers there.
 */
export async function fetchTerms(client: Wallet, url: string): Promise<DaemonTerms> {
  const { address: provider } = client;
  checkUrl(client, url);
  const request = { path: "/v1/terms" };
  const terms = await fetchJson({ provider, url }, request, DaemonTerms).catch((cause) => {
    throw daemonError(url, cause);
  });
  if (terms.provider.toLowerCase() === provider.toLowerCase()) {
    const { catalogueHash, encryptionKey, operator } = terms;
    return { catalogueHash, encryptionKey, operator };
  }
  throw new ProtocolError(
    "usage",
    `The daemon at ${url} works for ${terms.provider}, but this wallet is ${provider}.`,
    `Start the daemon with PROVIDER_ADDRESS=${provider}, or use the key of ${terms.provider}.`,
  );
}

function checkUrl(client: Client, url: string): void {
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? "")) {
    throw new ProtocolError(
      "usage",
      `"${url}" is not an http or https URL.`,
      "Give --url the URL at which users reach your daemon, for example https://gpu.example.org.",
    );
  }
  if (isPublicUrl(client, url)) return;
  throw new ProtocolError(
    "usage",
    `Users of this network cannot reach ${url}: it is an address in your own machine or network.`,
    "Give --url the public URL of your daemon, for example https://gpu.example.org.",
  );
}

const termsUrl = (url: string): string => `${url.replace(/\/+$/, "")}/v1/terms`;

function daemonError(url: string, cause: unknown): unknown {
  if (!(cause instanceof ProtocolError)) return cause;
  return new ProtocolError(
    "network",
    `No provider's daemon answers at ${url}.`,
    `Start yours and wait until it is ready; then check that --url is the public address of its API, and that port, proxy and firewall let ${termsUrl(url)} answer from another machine.`,
    { cause },
  );
}
