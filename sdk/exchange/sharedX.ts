import { secp256k1 } from "@noble/curves/secp256k1.js";
import { ProtocolError } from "../errors.ts";

/**
 * The x coordinate, 32 bytes, of the shared point of two parties (ECDH): from one party's secret key (32 bytes) and the
 * other's compressed public key (33 bytes).
 * @throws ProtocolError "integrity" if the public key is not a point of the curve.
 */
export function sharedX(secret: Uint8Array, publicKey: Uint8Array): Uint8Array {
  try {
    return secp256k1.getSharedSecret(secret, publicKey, true).subarray(1);
  } catch (cause) {
    throw new ProtocolError(
      "integrity",
      "The other side's public key is not a point of secp256k1.",
      "Nothing can be exchanged with this key: ask for a new task or choose another provider.",
      { cause },
    );
  }
}
