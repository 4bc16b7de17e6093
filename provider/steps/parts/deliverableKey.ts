import { hexlify } from "ethers";
import { getDelivery, type PostedDelivery } from "../../../sdk/deliverable/getDelivery.ts";
import { commitment } from "../../../sdk/exchange/commitment.ts";
import { keyCommit } from "../../../sdk/exchange/segmentKey.ts";
import type { TaskId } from "../../../sdk/ids.ts";
import type { Task } from "../../../sdk/task/Task.ts";
import { ProviderError } from "../../errors.ts";
import { jobPaths } from "../../files/jobPaths.ts";
import { sha256OfFile } from "../../files/sha256OfFile.ts";
import type { JobRecord } from "../../store/Store.ts";
import type { StepContext } from "./StepContext.ts";

type Keys = Pick<StepContext, "store" | "encryptionKey">;

/**
 * s, 32 bytes, derived from the provider's key, the task and contentRoot. The latter is on chain after the delivery, so
 * that wallet and chain suffice to reveal the key. Two archives never share a key: that would disclose both.
 */
export function makeDeliverableKey(
  { store, encryptionKey }: Keys,
  id: TaskId,
  { archive, contentRoot }: { archive: string; contentRoot: string },
): Uint8Array {
  const stored = store.deliverableKey(id); // the key of an archive that is already sealed
  if (stored?.archive === archive) return encryptionKey.unprotect(stored.key, contextOf(id));
  const key = derive(encryptionKey, id, contentRoot);
  store.putDeliverableKey(id, archive, encryptionKey.protect(key, contextOf(id)));
  return key;
}

/** The key with which the deliverable was sealed. */
export function readDeliverableKey({ store, encryptionKey }: Keys, id: TaskId): Uint8Array {
  const stored = store.deliverableKey(id);
  if (stored) return encryptionKey.unprotect(stored.key, contextOf(id));
  throw keyLostError();
}

/**
 * The key and contentRoot that reveal a delivery. If the state database does not have them, because it was lost or
 * restored from an older backup, they are derived from the wallet and the chain.
 * @param task as it is on chain
 */
export async function findReveal(
  context: StepContext,
  { id, order, facts }: JobRecord,
  task: Task,
): Promise<{ key: string; contentRoot: string }> {
  const { contentRoot } = facts;
  if (contentRoot && context.store.deliverableKey(id)) {
    const key = readDeliverableKey(context, id);
    const { blindRoot } = order;
    const committed = { blindRoot, contentRoot, keyCommit: hexlify(keyCommit(key)) };
    if (commitment(committed) === task.exchange) return { key: hexlify(key), contentRoot };
  }
  const delivery = await getDelivery(context.client, task);
  if (!delivery) throw keyLostError();
  return { key: await deriveForDelivery(context, id, delivery), contentRoot: delivery.contentRoot };
}

async function deriveForDelivery(
  { encryptionKey, jobsDirectory }: StepContext,
  id: TaskId,
  { contentRoot, keyCommit: committed }: PostedDelivery,
): Promise<string> {
  const { archive } = jobPaths(jobsDirectory, id);
  const opens = (key: Uint8Array) => hexlify(keyCommit(key)) === committed;
  const key = derive(encryptionKey, id, contentRoot);
  if (opens(key)) return hexlify(key);
  // Version 0.1.0 derived it from the archive.
  const sha256 = await sha256OfFile(archive).catch(() => null);
  const older = sha256 && encryptionKey.deriveSecret(`anneal/deliverable-key/v1/${id}/${sha256}`);
  if (older && opens(older)) return hexlify(older);
  throw keyLostError();
}

function derive(encryptionKey: Keys["encryptionKey"], id: TaskId, contentRoot: string): Uint8Array {
  return encryptionKey.deriveSecret(`anneal/deliverable-key/v2/${id}/${contentRoot}`);
}

function keyLostError(): ProviderError {
  return new ProviderError("The key of this deliverable cannot be derived from this wallet.", {
    retryable: true,
    hint: "Start the daemon with the wallet that delivered it, or restore PROVIDER_DIR, before the reveal deadline.",
  });
}

const contextOf = (id: TaskId) => `deliverable-key/${id}`;
