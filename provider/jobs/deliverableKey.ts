import { hexlify } from "ethers";
import { getDelivery, type PostedDelivery } from "../../sdk/deliverable/getDelivery.ts";
import { keyCommit } from "../../sdk/exchange/segmentKey.ts";
import type { TaskId } from "../../sdk/ids.ts";
import { ProviderError } from "../errors.ts";
import type { JobRecord } from "../store/Store.ts";
import { jobPaths, type StepContext } from "./StepContext.ts";
import { sha256OfFile } from "./sha256OfFile.ts";

type Keys = Pick<StepContext, "store" | "encryptionKey">;

/**
 * s, 32 bytes: stored before it is used, so that sealing again gives the same ciphertext, and derived from the
 * provider's key and the archive it encrypts, so that a lost database loses no key. Two archives never share one: they
 * would show each other to anybody.
 */
export function makeDeliverableKey(
  { store, encryptionKey }: Keys,
  id: TaskId,
  archive: string,
): Uint8Array {
  const stored = store.deliverableKey(id);
  if (stored?.archive === archive) return encryptionKey.unprotect(stored.key, contextOf(id));
  const key = derive(encryptionKey, id, archive);
  store.putDeliverableKey(id, archive, encryptionKey.protect(key, contextOf(id)));
  return key;
}

/** The key that was made when the deliverable was sealed. */
export function readDeliverableKey({ store, encryptionKey }: Keys, id: TaskId): Uint8Array {
  const stored = store.deliverableKey(id);
  if (stored) return encryptionKey.unprotect(stored.key, contextOf(id));
  throw lost();
}

/**
 * What reveals a delivery, whatever the state database still knows of it: after an older backup was restored, the key
 * follows from the archive on disk, and the rest from the chain.
 */
export async function findReveal(
  context: StepContext,
  { id, facts }: JobRecord,
): Promise<{ key: string; contentRoot: string }> {
  const stored = context.store.deliverableKey(id);
  if (stored && facts.contentRoot)
    return { key: hexlify(readDeliverableKey(context, id)), contentRoot: facts.contentRoot };
  const delivery = await getDelivery(context.client, { id });
  if (!delivery) throw lost();
  return { key: await deriveAgain(context, id, delivery), contentRoot: delivery.contentRoot };
}

async function deriveAgain(
  context: StepContext,
  id: TaskId,
  delivery: PostedDelivery,
): Promise<string> {
  const { archive } = jobPaths(context.jobsDirectory, id);
  const sha256 = await sha256OfFile(archive).catch(() => null);
  const key = sha256 && derive(context.encryptionKey, id, sha256);
  if (key && hexlify(keyCommit(key)) === delivery.keyCommit) return hexlify(key);
  throw lost();
}

function derive(encryptionKey: Keys["encryptionKey"], id: TaskId, archive: string): Uint8Array {
  return encryptionKey.deriveSecret(`anneal/deliverable-key/v1/${id}/${archive}`);
}

function lost(): ProviderError {
  return new ProviderError("The key of this deliverable is not in the state database.", {
    retryable: true,
    hint: "Restore PROVIDER_DIR from the backup before the reveal deadline.",
  });
}

const contextOf = (id: TaskId) => `deliverable-key/${id}`;
