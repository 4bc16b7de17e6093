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
 * Encrypts secrets of one task to the provider's encryption key: the sender's public key of 33 bytes, made for this
 * message alone, then the ciphertext and its tag.
 * @throws ProtocolError "usage" for a secret that no service gives out, "integrity" for a key that is no point.
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
      "Nothing can be sent with that key: choose another provider.",
      { cause },
    );
  }
}

/** Says nothing of the value, not even its length. */
function invalidSecretError(): ProtocolError {
  return new ProtocolError(
    "usage",
    "A secret is empty, longer than 256 characters, or has spaces or other characters that keys do not have.",
    "Copy the key again, without spaces or quotation marks.",
  );
}
