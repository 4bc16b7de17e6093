import { hexlify, randomBytes } from "ethers";
import { z } from "zod";
import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { printable } from "../printable.ts";
import { readChain } from "../transaction/readChain.ts";
import { formatOg } from "../units.ts";
import { recoverChallenge } from "./challenge.ts";
import { type Catalogue, fetchCatalogue } from "./fetchCatalogue.ts";
import { fetchQueue, type Queue } from "./fetchQueue.ts";
import { getService } from "./getService.ts";
import { fetchJson } from "./providerApi.ts";
import { isPublicUrl } from "./publicUrl.ts";
import type { Service } from "./Service.ts";

const ChallengeAnswer = z.object({
  operator: z.string().max(100),
  signature: z.string().regex(/^0x[0-9a-fA-F]{130}$/),
});

export interface VerifyProviderParameters {
  /** Address of the provider. */
  readonly provider: string;
  readonly signal?: AbortSignal;
}

/** A provider that passed every check. */
export interface VerifiedProvider {
  readonly service: Service;
  readonly catalogue: Catalogue;
  readonly queue: Queue;
}

/**
 * Verifies a provider against the chain: its URL is publicly reachable, its stake is in place, its endpoint holds the
 * key of its registered operator, and its catalogue is the registered one.
 * @throws ProtocolError for the first check that fails: "not-found" if there is no service, "declined" if it accepts no
 * orders, "integrity" if the key or the catalogue differs, "network" if it does not answer.
 * @example const { service, catalogue } = await verifyProvider(client, { provider });
 */
export async function verifyProvider(
  client: Client,
  { provider, signal }: VerifyProviderParameters,
): Promise<VerifiedProvider> {
  const [service, { reserved }] = await Promise.all([
    getService(client, { provider }),
    readChain(client, () => client.ledger.subAccountOf(provider, client.servingAddress, provider)),
  ]);
  verifyUrl(client, service);
  verifyStake(service, reserved);
  await verifyEndpoint(client, service, signal);
  const [catalogue, queue] = await Promise.all([
    fetchCatalogue(service, signal),
    fetchQueue(service, signal),
  ]);
  if (!queue.accepting) throw notAcceptingError(service);
  return { service, catalogue, queue };
}

/** An order placed now would wait or be refused. */
function notAcceptingError({ provider }: Service): ProtocolError {
  return new ProtocolError(
    "declined",
    `Provider ${provider} reports that it accepts no new tasks at the moment.`,
    "Try again later, or choose another provider.",
    { next: { verb: "listServices" } },
  );
}

/** A registered URL must not direct a client to its own machine or network. */
function verifyUrl(client: Client, { provider, url }: Service): void {
  if (isPublicUrl(client, url)) return;
  throw new ProtocolError(
    "declined",
    `Provider ${provider} is registered at ${printable(url)}, which cannot be reached from outside its own network.`,
    "Choose another provider.",
    { next: { verb: "listServices" } },
  );
}

/** The stake is the reserved amount in the provider's sub-account for its own address. */
function verifyStake({ provider, stake: minimum }: Service, reserved: bigint): void {
  if (reserved >= minimum) return;
  throw new ProtocolError(
    "declined",
    `Provider ${provider} has ${formatOg(reserved)} OG at stake, less than the ${formatOg(minimum)} OG required.`,
    "Choose another provider.",
    { next: { verb: "listServices" } },
  );
}

async function verifyEndpoint(
  client: Client,
  service: Service,
  signal: AbortSignal | undefined,
): Promise<void> {
  const nonce = hexlify(randomBytes(32));
  const path = `/v1/challenge?nonce=${nonce}`;
  const { signature } = await fetchJson(service, { path, signal }, ChallengeAnswer);
  if (recoverChallenge(client, { nonce, signature }) === service.operator) return;
  throw new ProtocolError(
    "integrity",
    `The endpoint ${printable(service.url)} does not hold the key of ${service.operator}, the operator of provider ${service.provider}.`,
    "Choose another provider.",
    { next: { verb: "listServices" } },
  );
}
