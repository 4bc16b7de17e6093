import { readFileSync } from "node:fs";
import { Wallet } from "ethers";
import { ProviderError } from "./errors.ts";

export interface Keystore {
  /** A wallet key in the Web3 secret storage format, as wallets export it. */
  readonly path: string;
  /** Either the passphrase, or a file whose first line it is. */
  readonly passphrase: string | undefined;
  readonly passphraseFile: string | undefined;
}

/**
 * Opens an encrypted keystore. The key derivation takes about a second by design.
 * @returns the private key as 0x-hex.
 * @throws ProviderError that names the file and never shows its content.
 */
export function openKeystore(keystore: Keystore): string {
  const json = readText(keystore.path, "PROVIDER_KEYSTORE");
  const passphrase = readPassphrase(keystore);
  try {
    return Wallet.fromEncryptedJsonSync(json, passphrase).privateKey;
  } catch {
    // Not passed on as a cause: the original error can contain its input.
    throw new ProviderError(`${keystore.path} cannot be opened with this passphrase.`, {
      retryable: false,
      hint: "Check the passphrase, and that the file is a keystore of one wallet in JSON.",
    });
  }
}

function readPassphrase({ passphrase, passphraseFile }: Keystore): string {
  if (passphrase !== undefined) return passphrase;
  if (passphraseFile !== undefined)
    return readText(passphraseFile, "PROVIDER_PASSPHRASE_FILE").split(/\r?\n/, 1)[0]!;
  throw new ProviderError("The keystore needs a passphrase and none is set.", {
    retryable: false,
    hint: "Set PROVIDER_PASSPHRASE_FILE to a file that only the daemon can read.",
  });
}

function readText(path: string, variable: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ProviderError(`${path} cannot be read (${code}).`, {
      retryable: false,
      hint: `Check ${variable} and the permissions of the file.`,
    });
  }
}
