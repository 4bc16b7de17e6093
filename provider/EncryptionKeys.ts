import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { getBytes, hexlify } from "ethers";
import { writeAtomically } from "../sdk/storage/files/publishFile.ts";
import { EncryptionKey } from "./EncryptionKey.ts";
import { ProviderError } from "./errors.ts";

/** The file in PROVIDER_DIR with one key per line as hex, the newest last. A line is added to rotate the key. */
export const KEYS_FILE = "encryption-keys";

/** The provider's encryption keys. The current one is registered; older ones open what was made for them. */
export class EncryptionKeys {
  /** Newest first. */
  readonly all: readonly [EncryptionKey, ...EncryptionKey[]];

  constructor(current: EncryptionKey, ...older: readonly EncryptionKey[]) {
    this.all = [current, ...older];
  }

  /** The key to be registered. */
  get current(): EncryptionKey {
    return this.all[0];
  }

  /** The first result that is not null, newest key first. */
  find<T>(attempt: (key: EncryptionKey) => T | null): T | null {
    for (const key of this.all) {
      const found = attempt(key);
      if (found !== null) return found;
    }
    return null;
  }

  /**
   * Opens something with the key that it was made for.
   * @throws what `open` throws for the current key, if no key opens it.
   */
  open<T>(open: (key: EncryptionKey) => T): T {
    const errors: unknown[] = [];
    for (const key of this.all) {
      try {
        return open(key);
      } catch (error) {
        errors.push(error);
      }
    }
    throw errors[0];
  }
}

export interface KeysToOpen {
  /** PROVIDER_DIR. */
  readonly directory: string;
  /** PROVIDER_ENCRYPTION_KEY: the current key, if it is set. */
  readonly configured: EncryptionKey | null;
  /** The first key if none is set and there is no file yet. */
  readonly makeFirst: () => EncryptionKey;
}

/**
 * Reads the keys of PROVIDER_DIR, and makes the first one.
 * @throws ProviderError if the file cannot be read, or a line is not a key. It never contains keys.
 */
export async function openEncryptionKeys({
  directory,
  configured,
  makeFirst,
}: KeysToOpen): Promise<EncryptionKeys> {
  const path = join(directory, KEYS_FILE);
  const stored = (await readKeys(path)).reverse();
  if (configured) return new EncryptionKeys(configured, ...stored);
  const [current, ...older] = stored;
  return new EncryptionKeys(current ?? (await storeFirst(path, makeFirst())), ...older);
}

async function readKeys(path: string): Promise<EncryptionKey[]> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw unreadableError(path, error.code);
  });
  const lines = text.split("\n").map((line) => line.trim());
  return lines.flatMap((line, index) => (line === "" ? [] : [readKey(path, index + 1, line)]));
}

function readKey(path: string, line: number, text: string): EncryptionKey {
  const hex = text.replace(/^0x/, "");
  if (/^[0-9a-f]{64}$/i.test(hex) && EncryptionKey.isValid(getBytes(`0x${hex}`)))
    return new EncryptionKey(getBytes(`0x${hex}`));
  throw new ProviderError(`${path}:${line} is not a secp256k1 key.`, {
    retryable: false,
    hint: "Each line is one key, 32 bytes as hex. Restore the file from a backup, or remove only what was added to it.",
  });
}

/** Synced to disk before the key is used: without it, no order made for it can be delivered. */
async function storeFirst(path: string, key: EncryptionKey): Promise<EncryptionKey> {
  const line = `${hexlify(key.secret).slice(2)}\n`;
  await writeAtomically(path, (temporary) => writeFile(temporary, line, { mode: 0o600 }));
  return key;
}

function unreadableError(path: string, code: string | undefined): ProviderError {
  return new ProviderError(`${path} cannot be read (${code}).`, {
    retryable: false,
    hint: "Check the permissions of the file.",
  });
}
