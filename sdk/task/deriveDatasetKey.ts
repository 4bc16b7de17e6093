import { getBytes, hexlify, TypedDataEncoder } from "ethers";
import { type Client, requireSigner } from "../client.ts";
import { datasetKeyFromSignature, type UserKey, userKeyFromTaskKey } from "../exchange/userKey.ts";
import { DATASET_KEY, signingDomain } from "../service/typedData.ts";

interface DatasetToDerive {
  readonly provider: string;
  /** 32 bytes. */
  readonly contentHash: Uint8Array;
  /** 32 secret bytes that take the place of the wallet's signature. */
  readonly taskKey?: Uint8Array | undefined;
}

/**
 * Derives the sender's key for a dataset that is encrypted for a provider from the user's wallet or task key. Equal
 * content gets the same key, different content a different one.
 */
export async function deriveDatasetKey(
  client: Client,
  { provider, contentHash, taskKey }: DatasetToDerive,
): Promise<UserKey> {
  const domain = signingDomain(client);
  const message = { provider, contentHash: hexlify(contentHash) };
  if (taskKey) {
    const digest = TypedDataEncoder.hash(domain, DATASET_KEY, message);
    return userKeyFromTaskKey(taskKey, getBytes(digest));
  }
  const signature = await requireSigner(client).signTypedData(domain, DATASET_KEY, message);
  return datasetKeyFromSignature(getBytes(signature));
}
