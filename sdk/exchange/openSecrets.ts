import { secp256k1 } from "@noble/curves/secp256k1.js";
import { getBytes } from "ethers";
import { ProtocolError } from "../errors.ts";
import type { TaskId } from "../ids.ts";
import { type Secrets, SecretsSchema } from "./secrets.ts";
import { POINT_BYTES, secretsCipher } from "./secretsCipher.ts";

export interface OpenSecretsParameters {
  /** The provider's encryption key, 32 bytes. */
  readonly secret: Uint8Array;
  readonly id: TaskId;
  /** The result of sealSecrets. */
  readonly sealed: Uint8Array;
}

/**
 * Decrypts the result of sealSecrets for this task and this provider's key.
 * @throws ProtocolError "integrity" if it was sealed for another key or task, or changed.
 * @example const { hfApiToken } = openSecrets({ secret, id, sealed });
 */
export function openSecrets({ secret, id, sealed }: OpenSecretsParameters): Secrets {
  const sender = sealed.subarray(0, POINT_BYTES);
  const parties = { sender, receiver: secp256k1.getPublicKey(secret, true) };
  try {
    const cipher = secretsCipher(secret, sender, parties, getBytes(id));
    const plaintext = cipher.decrypt(sealed.subarray(POINT_BYTES));
    const { wandbApiKey, hfApiToken } = SecretsSchema.parse(
      JSON.parse(Buffer.from(plaintext).toString()),
    );
    return { ...(wandbApiKey && { wandbApiKey }), ...(hfApiToken && { hfApiToken }) };
  } catch {
    // Without a cause: an error of JSON or the schema could contain the secrets.
    throw new ProtocolError(
      "integrity",
      "The secrets were sealed for another provider or task, or were changed in transit.",
      "Send them again with the provider's current encryption key on chain.",
    );
  }
}
