import { secp256k1 } from "@noble/curves/secp256k1.js";
import { ProtocolError } from "../errors.ts";
import { hkdfSha256 } from "../platform/index.ts";

/** Bytes of a task key. */
export const TASK_KEY_BYTES = 32;

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
      "Pass a task key: a contract wallet cannot derive keys.",
    );
  }
  return keyFrom(signature, new Uint8Array(0), info);
}

/**
 * Derives the key of a task or a dataset from 32 secret bytes of the user instead of a wallet's signature: for contract
 * wallets, and for wallets whose signatures are not deterministic. The bytes are needed to open the model, and may serve
 * any number of tasks.
 * @param digest what a wallet would sign, 32 bytes
 * @throws ProtocolError "usage" for another length.
 * @example
 * const [taskKey, digest] = [new Uint8Array(32).fill(1), new Uint8Array(32)];
 * const { secret, publicKey } = userKeyFromTaskKey(taskKey, digest);
 */
export function userKeyFromTaskKey(taskKey: Uint8Array, digest: Uint8Array): UserKey {
  if (taskKey.length === TASK_KEY_BYTES) return keyFrom(taskKey, digest, "anneal/task-key/v1");
  throw new ProtocolError(
    "usage",
    `A task key has ${TASK_KEY_BYTES} bytes, not ${taskKey.length}.`,
    "Pass the random bytes that were made for it.",
  );
}

function keyFrom(input: Uint8Array, salt: Uint8Array, info: string): UserKey {
  // 48 bytes, so that the reduction to 1..n-1 has no noticeable bias.
  const material = hkdfSha256(input, salt, info, 48);
  const order = secp256k1.Point.Fn.ORDER;
  const scalar = (BigInt(`0x${Buffer.from(material).toString("hex")}`) % (order - 1n)) + 1n;
  const secret = Buffer.from(scalar.toString(16).padStart(64, "0"), "hex");
  return { secret, publicKey: secp256k1.getPublicKey(secret, true) };
}
