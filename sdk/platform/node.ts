import { createCipheriv, createDecipheriv, createHash, hash, hkdfSync } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";

const TAG_BYTES = 16;

/** SHA-256, 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return hash("sha256", bytes, "buffer");
}

/** SHA-256 of bytes that arrive one after the other. */
export interface Sha256 {
  update(bytes: Uint8Array | string): void;
  /** 32 bytes, hex. */
  digest(): string;
}

export function createSha256(): Sha256 {
  const state = createHash("sha256");
  return { update: (bytes) => void state.update(bytes), digest: () => state.digest("hex") };
}

/** HKDF with SHA-256 (RFC 5869). */
export function hkdfSha256(
  secret: Uint8Array,
  salt: Uint8Array,
  info: string | Uint8Array,
  length: number,
): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, salt, info, length));
}

/**
 * Encrypts or decrypts, the same operation, with the ChaCha20 stream (RFC 8439).
 * @param counter of the first block
 * @param nonce 12 bytes
 */
export function chacha20(
  key: Uint8Array,
  counter: number,
  nonce: Uint8Array,
  bytes: Uint8Array,
): Uint8Array {
  // OpenSSL takes the block counter and the nonce of the RFC as one value of 16 bytes.
  const counterAndNonce = Buffer.alloc(16);
  counterAndNonce.writeUInt32LE(counter, 0);
  counterAndNonce.set(nonce, 4);
  return createCipheriv("chacha20", key, counterAndNonce).update(bytes);
}

/** Encrypts with ChaCha20-Poly1305 (RFC 8439). @returns the ciphertext and the tag of 16 bytes after it. */
export function sealChacha20Poly1305(
  key: Uint8Array,
  nonce: Uint8Array,
  bytes: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG_BYTES });
  return Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
}

/** Reverses sealChacha20Poly1305. @throws Error if the bytes are not what was sealed with this key and nonce. */
export function openChacha20Poly1305(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
): Uint8Array {
  const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG_BYTES });
  const end = sealed.length - TAG_BYTES;
  decipher.setAuthTag(sealed.subarray(end));
  return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()]);
}

/** Waits. @throws the signal's reason as soon as it aborts. */
export async function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  try {
    await wait(milliseconds, undefined, signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
