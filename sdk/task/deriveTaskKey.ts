import { getBytes, TypedDataEncoder } from "ethers";
import { type Client, requireSigner } from "../client.ts";
import { type UserKey, userKeyFromSignature, userKeyFromTaskKey } from "../exchange/userKey.ts";
import { signingDomain, TASK_KEY } from "../service/typedData.ts";

interface TaskToDerive {
  readonly provider: string;
  readonly nonce: bigint;
  /** 32 secret bytes that take the place of the wallet's signature. */
  readonly taskKey?: Uint8Array | undefined;
}

/**
 * Derives the user's key for task number `nonce` at a provider: from their wallet, so that it need not be stored, or
 * from a task key that they keep.
 */
export async function deriveTaskKey(
  client: Client,
  { provider, nonce, taskKey }: TaskToDerive,
): Promise<UserKey> {
  const domain = signingDomain(client);
  const message = { provider, nonce };
  if (taskKey) {
    const digest = TypedDataEncoder.hash(domain, TASK_KEY, message);
    return userKeyFromTaskKey(taskKey, getBytes(digest));
  }
  const signature = await requireSigner(client).signTypedData(domain, TASK_KEY, message);
  return userKeyFromSignature(getBytes(signature));
}
