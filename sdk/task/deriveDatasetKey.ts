import { getBytes, hexlify } from "ethers";
import { type Client, requireSigner } from "../client.ts";
import { datasetKeyFromSignature, type UserKey } from "../exchange/userKey.ts";
import { DATASET_KEY, signingDomain } from "../service/typedData.ts";

/**
 * Derives the sender's key for a dataset that is encrypted for a provider from the user's wallet. Equal content gets
 * the same key, different content a different one.
 * @param contentHash 32 bytes
 */
export async function deriveDatasetKey(
  client: Client,
  { provider, contentHash }: { provider: string; contentHash: Uint8Array },
): Promise<UserKey> {
  const signature = await requireSigner(client).signTypedData(signingDomain(client), DATASET_KEY, {
    provider,
    contentHash: hexlify(contentHash),
  });
  return datasetKeyFromSignature(getBytes(signature));
}
