import { randomBytes } from "node:crypto";
import type { TaskId } from "../../sdk/ids.ts";
import { ProviderError } from "../errors.ts";
import type { StepContext } from "./StepContext.ts";

type Keys = Pick<StepContext, "store" | "encryptionKey">;

/**
 * s, 32 random bytes: made once and stored before it is used, so that sealing again gives the same ciphertext. It is
 * bound to the archive it encrypts: two archives under one key would show each other to anybody.
 */
export function makeDeliverableKey(
  { store, encryptionKey }: Keys,
  id: TaskId,
  archive: string,
): Uint8Array {
  const stored = store.deliverableKey(id);
  if (stored?.archive === archive) return encryptionKey.unprotect(stored.key, contextOf(id));
  const key = new Uint8Array(randomBytes(32));
  store.putDeliverableKey(id, archive, encryptionKey.protect(key, contextOf(id)));
  return key;
}

/** The key that was made when the deliverable was sealed. */
export function readDeliverableKey({ store, encryptionKey }: Keys, id: TaskId): Uint8Array {
  const stored = store.deliverableKey(id);
  if (stored) return encryptionKey.unprotect(stored.key, contextOf(id));
  throw new ProviderError("The key of this deliverable is not in the state database.", {
    retryable: true,
    hint: "Restore PROVIDER_DIR from the backup before the reveal deadline.",
  });
}

const contextOf = (id: TaskId) => `deliverable-key/${id}`;
