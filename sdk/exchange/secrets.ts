import { z } from "zod";

/** What a provider needs to act for the user elsewhere. Travels sealed to the provider, and never on chain. */
export interface Secrets {
  /** Of Weights & Biases, where the run is tracked. */
  readonly wandbApiKey?: string;
  /** Of Hugging Face, where weights come from and go to. */
  readonly hfApiToken?: string;
}

/** No key of any service is longer; characters that could end a header or a line are none of theirs. */
const Secret = z.string().regex(/^[\x21-\x7e]{1,256}$/);

/** The content of a sealed message, and nothing beside it. */
export const SecretsSchema = z.strictObject({
  wandbApiKey: Secret.optional(),
  hfApiToken: Secret.optional(),
});
