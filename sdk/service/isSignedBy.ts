import { Interface, isCallException, recoverAddress } from "ethers";
import type { Client } from "../client.ts";
import { readChain } from "../transaction/readChain.ts";

/** ERC-1271: a contract's answer to whether a signature is valid in its name. */
const CONTRACT_WALLET = new Interface([
  "function isValidSignature(bytes32 digest, bytes signature) view returns (bytes4)",
]);
const VALID = "0x1626ba7e".padEnd(66, "0");

export interface SignatureToCheck {
  /** Address in whose name it is. */
  readonly signer: string;
  /** What is signed: 32 bytes as 0x-hex. */
  readonly digest: string;
  /** 0x-hex. */
  readonly signature: string;
}

/**
 * Whether a signature is valid, by the contract's rule: an address with code is asked (ERC-1271); of any other, the
 * signature is recovered.
 * @throws ProtocolError "network" if the chain does not answer.
 * @example
 * const [digest, signature] = [`0x${"12".repeat(32)}`, "0x"];
 * const isValid = await isSignedBy(client, { signer: user, digest, signature });
 */
export async function isSignedBy(
  client: Client,
  { signer, digest, signature }: SignatureToCheck,
): Promise<boolean> {
  if (!(await isContract(client, signer))) return isRecovered({ signer, digest, signature });
  const data = CONTRACT_WALLET.encodeFunctionData("isValidSignature", [digest, signature]);
  return readChain(client, async () => {
    try {
      const answer = await client.provider.call({ to: signer, data });
      return answer.slice(0, VALID.length) === VALID;
    } catch (error) {
      if (isCallException(error)) return false; // it reverted
      throw error;
    }
  });
}

/** Whether an address has code. */
export async function isContract(client: Client, address: string): Promise<boolean> {
  return (await readChain(client, () => client.provider.getCode(address))) !== "0x";
}

/** Whether the key of `signer` signed a digest. */
export function isRecovered({ signer, digest, signature }: SignatureToCheck): boolean {
  return recoverSigner(digest, signature)?.toLowerCase() === signer.toLowerCase();
}

/** The address whose key signed a digest, or null if the signature is malformed. */
export function recoverSigner(digest: string, signature: string): string | null {
  try {
    return recoverAddress(digest, signature);
  } catch {
    return null;
  }
}
