import { getBytes, hexlify } from "ethers";
import { ProtocolError } from "../../../sdk/errors.ts";
import { blindRoot, sharedBlind } from "../../../sdk/exchange/blind.ts";
import type { TaskOrder } from "../../../sdk/task/TaskOrder.ts";
import type { EncryptionKey } from "../../EncryptionKey.ts";
import type { EncryptionKeys } from "../../EncryptionKeys.ts";

/**
 * u, the shared secret of user and provider for an order, 32 bytes; null if the order's blindRoot does not match it:
 * the user made it up, or the provider has lost the key that it was made for. A model sealed under another u cannot be opened.
 */
export function verifiedBlind(
  encryptionKeys: EncryptionKeys,
  order: Pick<TaskOrder, "userKey" | "blindRoot">,
): Uint8Array | null {
  return encryptionKeys.find((key) => blindUnder(key, order));
}

function blindUnder(
  encryptionKey: EncryptionKey,
  { userKey, blindRoot: agreed }: Pick<TaskOrder, "userKey" | "blindRoot">,
): Uint8Array | null {
  try {
    const u = sharedBlind(encryptionKey.secret, getBytes(userKey));
    return hexlify(blindRoot(u)) === agreed.toLowerCase() ? u : null;
  } catch (error) {
    if (error instanceof ProtocolError) return null; // not a point of the curve
    throw error;
  }
}
