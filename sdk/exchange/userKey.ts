import { secp256k1 } from "@noble/curves/secp256k1.js";
import { ProtocolError } from "../errors.ts";
import { hkdfSha256 } from "../platform/index.ts";

/** The user's key pair for one task or one dataset. */
export interface UserKey {
  /** e, 32 bytes. Secret. */
  readonly secret: Uint8Array;
  /** E = eG, a compressed point of 33 bytes. */
  readonly publicKey: Uint8Array;
}

/**
 * Derives the key of a task from the wallet's signature over it, so that only the wallet can derive it, at any time.
 * @param signature 65 bytes, EIP-712 over TaskKey{provider, nonce}; the wallet must sign deterministically (RFC 6979)
 * @throws ProtocolError "usage" for another length.
 * @example const { secret, publicKey } = userKeyFromSignature(signature);
 */
export function userKeyFromSignature(signature: Uint8Array): UserKey {
  return keyFromSignature(signature, "anneal/user-key/v1");
}

/**
 * Derives the sender's key of an encrypted dataset from the wallet's signature over its content, so that the same
 * content is encrypted to the same bytes and never sent twice.
 * @param signature 65 bytes, EIP-712 over DatasetKey{provider, contentHash}
 * @throws ProtocolError "usage" for another length.
 * @example const { secret, publicKey } = datasetKeyFromSignature(signature);
 */
export function datasetKeyFromSignature(signature: Uint8Array): UserKey {
  return keyFromSignature(signature, "anneal/dataset-key/v1");
}

function keyFromSignature(signature: Uint8Array, info: string): UserKey {
  if (signature.length !== 65) {
    throw new ProtocolError(
      "usage",
      `A wallet signature has 65 bytes, not ${signature.length}.`,
      "Use a wallet with an ordinary key: a contract wallet cannot derive keys.",
    );
  }
  // 48 bytes, so that the reduction to 1..n-1 has no noticeable bias.
  const material = hkdfSha256(signature, new Uint8Array(0), info, 48);
  const order = secp256k1.Point.Fn.ORDER;
  const scalar = (BigInt(`0x${Buffer.from(material).toString("hex")}`) % (order - 1n)) + 1n;
  const secret = Buffer.from(scalar.toString(16).padStart(64, "0"), "hex");
  return { secret, publicKey: secp256k1.getPublicKey(secret, true) };
}
