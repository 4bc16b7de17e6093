import { getBytes } from "ethers";
import { type Client, requireSigner } from "../client.ts";
import { type UserKey, userKeyFromSignature } from "../exchange/userKey.ts";
import { signingDomain, TASK_KEY } from "../service/typedData.ts";

/** Derives the user's key for task number `nonce` at a provider from their wallet, so that it need not be stored. */
export async function deriveTaskKey(
  client: Client,
  { provider, nonce }: { provider: string; nonce: bigint },
): Promise<UserKey> {
  const signature = await requireSigner(client).signTypedData(signingDomain(client), TASK_KEY, {
    provider,
    nonce,
  });
  return userKeyFromSignature(getBytes(signature));
}
