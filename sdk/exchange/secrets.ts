import { z } from "zod";

/**
 * API tokens that a provider needs to act for the user on other services. Sent to the provider encrypted, and never on
 * chain.
 */
export interface Secrets {
  /** For Weights & Biases, which tracks the run. */
  readonly wandbApiKey?: string;
  /** For Hugging Face, from and to which weights are transferred. */
  readonly hfApiToken?: string;
}

/** No service has longer tokens; characters that could end a header or a line are excluded. */
const Secret = z.string().regex(/^[\x21-\x7e]{1,256}$/);

/** The content of a sealed message; other fields are refused. */
export const SecretsSchema = z.strictObject({
  wandbApiKey: Secret.optional(),
  hfApiToken: Secret.optional(),
});
