import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hkdfSha256 } from "../platform/index.ts";

export const POINT_BYTES = 33;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const DOMAIN = "anneal/secrets/v1";

/**
 * The cipher of one sealed message: ChaCha20-Poly1305 under HKDF-SHA256 of the shared point's x coordinate, bound to
 * both public keys and to the task. The sender's key is used once, so the nonce is derived like the key.
 * @throws Error if `publicKey` is not a point of secp256k1.
 */
export function secretsCipher(
  secret: Uint8Array,
  publicKey: Uint8Array,
  parties: { readonly sender: Uint8Array; readonly receiver: Uint8Array },
  taskId: Uint8Array,
) {
  const x = secp256k1.getSharedSecret(secret, publicKey, true).subarray(1);
  const info = Buffer.concat([Buffer.from(DOMAIN), parties.sender, parties.receiver]);
  const bytes = hkdfSha256(x, new Uint8Array(0), info, KEY_BYTES + NONCE_BYTES);
  return chacha20poly1305(bytes.subarray(0, KEY_BYTES), bytes.subarray(KEY_BYTES), taskId);
}
