import type { ServiceTerms } from "../sdk/service/Service.ts";

/** The part of the terms that only the daemon knows; the provider's owner chooses the rest: price, times, bond. */
export interface ProvidedTerms
  extends Pick<ServiceTerms, "catalogueHash" | "encryptionKey" | "operator" | "url"> {
  /** Address of the provider that the daemon works for. */
  readonly provider: string;
}
