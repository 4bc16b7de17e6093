import type { Logger } from "pino";
import type { Client } from "../sdk/client.ts";
import { ProtocolError } from "../sdk/errors.ts";
import { getService } from "../sdk/service/getService.ts";
import type { Service, ServiceTerms } from "../sdk/service/Service.ts";
import { backoff, type Clock } from "./clock.ts";
import type { EncryptionKey } from "./EncryptionKey.ts";
import type { Catalogue } from "./models/Catalogue.ts";

/** The part of the terms that only the daemon knows. The operator chooses the rest: price, times, bond. */
export interface ProvidedTerms
  extends Pick<ServiceTerms, "catalogueHash" | "encryptionKey" | "operator" | "url"> {
  /** Address of the provider. */
  readonly provider: string;
}

/** The response of GET /v1/terms, for the commands that register and update a provider. */
export function providedTerms(
  provider: string,
  catalogue: Catalogue,
  encryptionKey: EncryptionKey,
  url: string,
): ProvidedTerms {
  return {
    provider,
    operator: provider,
    catalogueHash: catalogue.hash,
    encryptionKey: encryptionKey.publicKey,
    url,
  };
}

export interface RegistrationWatch {
  readonly client: Client;
  readonly terms: ProvidedTerms;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Milliseconds between checks of the registration. */
const POLL_INTERVAL = 2_000;

/**
 * Waits until the provider is registered with the terms that the daemon serves, and logs each mismatch once. Users
 * cannot order before the registration, so nothing has to be held back meanwhile.
 */
export async function awaitRegistration(
  watch: RegistrationWatch,
  signal: AbortSignal,
): Promise<void> {
  const { client, terms, clock, log } = watch;
  const { provider } = terms;
  for (let logged = "", failures = 0; !signal.aborted; ) {
    try {
      const mismatch = findMismatch(terms, await findService(client, provider));
      failures = 0;
      if (mismatch === null) return log.info({ provider }, "registered");
      if (mismatch.message !== logged)
        log.warn({ provider, hint: mismatch.hint }, mismatch.message);
      logged = mismatch.message;
    } catch (error) {
      failures++;
      log.warn({ err: error }, "the registration cannot be read");
    }
    await clock.sleep(failures > 0 ? backoff(failures) : POLL_INTERVAL, signal);
  }
}

/** The service of a provider, null if it offers none. */
async function findService(client: Client, provider: string): Promise<Service | null> {
  try {
    return await getService(client, { provider });
  } catch (error) {
    if (error instanceof ProtocolError && error.code === "not-found") return null;
    throw error;
  }
}

function findMismatch(
  terms: ProvidedTerms,
  service: Service | null,
): { message: string; hint: string } | null {
  if (!service) {
    return {
      message: "This provider is not registered yet.",
      hint: "Register it with register-provider.",
    };
  }
  // The URL is not compared: the operator may have put a proxy in front of the daemon.
  const differing = (["catalogueHash", "encryptionKey"] as const).filter(
    (name) => service[name].toLowerCase() !== terms[name].toLowerCase(),
  );
  if (differing.length === 0) return null;
  return {
    message: `The registered ${differing.join(" and ")} differ from what this daemon serves.`,
    hint: "Update them with update-provider.",
  };
}
