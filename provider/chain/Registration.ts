import type { Logger } from "pino";
import { type Client, requireSigner } from "../../sdk/client.ts";
import { findService } from "../../sdk/service/findService.ts";
import type { Service, ServiceTerms } from "../../sdk/service/Service.ts";
import { backoff, type Clock } from "../clock.ts";
import { ProviderError } from "../errors.ts";
import type { Readiness } from "../Readiness.ts";

export interface RegistrationOptions {
  /** Signs as the operator. */
  readonly client: Client;
  /** Address of the provider. */
  readonly provider: string;
  /** What the daemon serves. The URL is not compared: there may be a proxy in front of the daemon. */
  readonly served: Pick<ServiceTerms, "catalogueHash" | "encryptionKey">;
  readonly readiness: Readiness;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Milliseconds between checks: while the registration differs, and while it does not. */
const POLL_INTERVAL = { different: 2_000, same: 15_000 };
const REASON = "operator";
const OPERATOR_HINT =
  "The provider's owner replaced this key. Start the daemon with the registered operator's key, or register this one with update-provider.";

/** What differs from the registration, and what to do. */
interface Finding {
  readonly message: string;
  readonly hint: string;
}

/**
 * Compares the registered terms with what the daemon serves. If another operator is registered, the daemon accepts and
 * signs nothing: its transactions would revert. Without any registration nothing has to be held back, since users cannot
 * order.
 */
export class Registration {
  readonly #options: RegistrationOptions;
  #isOperator = true;
  #logged: string | null = null;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /** False if another operator is registered, as last read. */
  get isOperator(): boolean {
    return this.#isOperator;
  }

  /** Compares periodically until `signal` aborts, and logs each change once. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      let isSame = false;
      try {
        isSame = await this.check();
        failures = 0;
      } catch (error) {
        failures++;
        log.warn({ err: error }, "the registration cannot be read");
      }
      const pause = isSame ? POLL_INTERVAL.same : POLL_INTERVAL.different;
      await clock.sleep(failures > 0 ? backoff(failures) : pause, signal);
    }
  }

  /** @returns whether the registered terms are what the daemon serves. */
  async check(): Promise<boolean> {
    const { provider, served, log } = this.#options;
    const service = await this.#read();
    const finding = this.#isOperator ? compare(service, served) : null;
    const message = this.#isOperator ? (finding?.message ?? "registered") : "another operator";
    if (message !== this.#logged) {
      if (finding) log.warn({ provider, hint: finding.hint }, finding.message);
      else if (this.#isOperator) log.info({ provider, operator: service?.operator }, "registered");
      this.#logged = message;
    }
    return message === "registered";
  }

  /**
   * Must succeed before anything is signed.
   * @throws ProviderError if another operator is registered, ProtocolError "network" if the chain does not answer.
   */
  async requireOperator(): Promise<void> {
    await this.#read();
    if (this.#isOperator) return;
    throw new ProviderError("This daemon's key is not the registered operator's.", {
      retryable: true,
      isReported: true,
      hint: OPERATOR_HINT,
    });
  }

  /** Reads the service; null if the provider has none. Reports it once if it has another operator. */
  async #read(): Promise<Service | null> {
    const { client, provider, readiness, log } = this.#options;
    const own = await requireSigner(client).getAddress();
    const service = await findService(client, provider);
    this.#isOperator = service === null || service.operator.toLowerCase() === own.toLowerCase();
    if (this.#isOperator) {
      if (readiness.clear(REASON))
        log.info({ operator: own }, "the registered operator is this daemon's again");
      return service;
    }
    const registered = service!.operator;
    const message = `The registered operator ${registered} differs from this daemon's key, ${own}: nothing is accepted or signed.`;
    if (readiness.set({ name: REASON, message, hint: OPERATOR_HINT }))
      log.error(
        { provider, registered, operator: own, hint: OPERATOR_HINT },
        "the registered operator differs from this daemon's key: nothing is accepted or signed",
      );
    return service;
  }
}

function compare(service: Service | null, served: RegistrationOptions["served"]): Finding | null {
  if (!service) {
    return {
      message: "This provider is not registered yet.",
      hint: "Register it with register-provider.",
    };
  }
  const differing = (["catalogueHash", "encryptionKey"] as const).filter(
    (name) => service[name].toLowerCase() !== served[name].toLowerCase(),
  );
  if (differing.length === 0) return null;
  return {
    message: `The registered ${differing.join(" and ")} differ from what this daemon serves.`,
    hint: "Update them with update-provider.",
  };
}
