import { secp256k1 } from "@noble/curves/secp256k1.js";
import { getBytes } from "ethers";
import { ProtocolError } from "../errors.ts";
import type { TaskId } from "../ids.ts";
import { type Secrets, SecretsSchema } from "./secrets.ts";
import { secretsCipher } from "./secretsCipher.ts";

export interface SealSecretsParameters {
  /** The provider's encryption key as registered on chain: a compressed point, 33 bytes. */
  readonly encryptionKey: Uint8Array;
  readonly id: TaskId;
  readonly secrets: Secrets;
}

/**
 * Encrypts the secrets of one task to the provider's encryption key. The result is an ephemeral public key of 33 bytes,
 * then the ciphertext and its tag.
 * @throws ProtocolError "usage" if a secret cannot be an API token, "integrity" if the key is not a point of the curve.
 * @example
 * const encryptionKey = getBytes(service.encryptionKey);
 * const sealed = sealSecrets({ encryptionKey, id, secrets: { hfApiToken } });
 */
export function sealSecrets({ encryptionKey, id, secrets }: SealSecretsParameters): Uint8Array {
  const { success, data } = SecretsSchema.safeParse(secrets);
  if (!success) throw invalidSecretError();
  const { secretKey, publicKey } = secp256k1.keygen();
  const parties = { sender: publicKey, receiver: encryptionKey };
  const plaintext = Buffer.from(JSON.stringify(data));
  try {
    const cipher = secretsCipher(secretKey, encryptionKey, parties, getBytes(id));
    return Buffer.concat([publicKey, cipher.encrypt(plaintext)]);
  } catch (cause) {
    throw new ProtocolError(
      "integrity",
      "The provider's encryption key is not a point of secp256k1.",
      "No secrets can be sent with this key: choose another provider.",
      { cause },
    );
  }
}

/** Reveals nothing about the value, not even its length. */
function invalidSecretError(): ProtocolError {
  return new ProtocolError(
    "usage",
    "A secret is not a valid API token: it is empty, longer than 256 characters, or has spaces or other invalid characters.",
    "Copy the token again, without spaces or quotation marks.",
  );
}
