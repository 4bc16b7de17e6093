import { randomBytes } from "node:crypto";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";

/** Bytes of HKDF output reduced to a scalar: 16 more than the group order's 32 leave no measurable bias. */
const SCALAR_INPUT_BYTES = 48;
const NONCE_BYTES = 12;

/** The provider's key for the fair exchange, from which the key for secrets at rest is derived. */
export class EncryptionKey {
  readonly #secret: Uint8Array;

  /** `secret` is a secp256k1 private key of 32 bytes. */
  constructor(secret: Uint8Array) {
    if (!EncryptionKey.isValid(secret)) throw new RangeError("not a secp256k1 key");
    this.#secret = secret;
  }

  /** Whether 32 bytes are a private key: a number from 1 to the group order less 1. */
  static isValid(secret: Uint8Array): boolean {
    return secp256k1.utils.isValidSecretKey(secret);
  }

  /** A random key. */
  static generate(): EncryptionKey {
    return new EncryptionKey(secp256k1.utils.randomSecretKey());
  }

  /** The key of version 0.1.0 unless one was configured: derived from the wallet's key. */
  static derive(privateKey: Uint8Array): EncryptionKey {
    const wide = hkdf(
      sha256,
      privateKey,
      undefined,
      utf8ToBytes("anneal/encryption-key/v1"),
      SCALAR_INPUT_BYTES,
    );
    const order = secp256k1.Point.Fn.ORDER;
    const scalar = (BigInt(`0x${bytesToHex(wide)}`) % (order - 1n)) + 1n;
    return new EncryptionKey(secp256k1.Point.Fn.toBytes(scalar));
  }

  /** 32 bytes, for the key agreement with a user. */
  get secret(): Uint8Array {
    return this.#secret;
  }

  /** Compressed point, 33 bytes as 0x-hex, as registered on chain. */
  get publicKey(): string {
    return `0x${bytesToHex(secp256k1.getPublicKey(this.#secret, true))}`;
  }

  /** 32 bytes derived from this key and `context`, which reveal nothing about either. */
  deriveSecret(context: string): Uint8Array {
    return hkdf(sha256, this.#secret, undefined, utf8ToBytes(context), 32);
  }

  /** Encrypts a secret for the state database. `context` names what it belongs to; decrypting needs the same one. */
  protect(secret: Uint8Array, context: string): Uint8Array {
    const nonce = new Uint8Array(randomBytes(NONCE_BYTES));
    return concatBytes(nonce, this.#cipher(nonce, context).encrypt(secret));
  }

  /** @throws Error if the bytes were changed, or encrypted under another key or context. */
  unprotect(bytes: Uint8Array, context: string): Uint8Array {
    const nonce = bytes.subarray(0, NONCE_BYTES);
    return this.#cipher(nonce, context).decrypt(bytes.subarray(NONCE_BYTES));
  }

  #cipher(nonce: Uint8Array, context: string) {
    const key = hkdf(sha256, this.#secret, undefined, utf8ToBytes("anneal/state/v1"), 32);
    return chacha20poly1305(key, nonce, utf8ToBytes(context));
  }
}
