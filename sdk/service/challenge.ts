import { verifyTypedData } from "ethers";
import { type Client, requireSigner } from "../client.ts";
import { CHALLENGE, type SigningScope, signingDomain } from "./typedData.ts";

/** Signs a user's challenge with the operator's key. `nonce` is 32 bytes as 0x-hex, chosen by the user. */
export async function signChallenge(
  client: Client,
  { nonce }: { nonce: string },
): Promise<{ operator: string; signature: string }> {
  const signer = requireSigner(client);
  const [operator, signature] = await Promise.all([
    signer.getAddress(),
    signer.signTypedData(signingDomain(client), CHALLENGE, { nonce }),
  ]);
  return { operator, signature };
}

/** The address that signed the challenge, or null if the signature is malformed. */
export function recoverChallenge(
  scope: SigningScope,
  { nonce, signature }: { nonce: string; signature: string },
): string | null {
  try {
    return verifyTypedData(signingDomain(scope), CHALLENGE, { nonce }, signature);
  } catch {
    return null;
  }
}
