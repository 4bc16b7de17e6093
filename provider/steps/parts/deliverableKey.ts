import { hexlify } from "ethers";
import { getDelivery, type PostedDelivery } from "../../../sdk/deliverable/getDelivery.ts";
import { commitment } from "../../../sdk/exchange/commitment.ts";
import { keyCommit } from "../../../sdk/exchange/segmentKey.ts";
import type { TaskId } from "../../../sdk/ids.ts";
import type { Task } from "../../../sdk/task/Task.ts";
import type { EncryptionKey } from "../../EncryptionKey.ts";
import type { EncryptionKeys } from "../../EncryptionKeys.ts";
import { ProviderError } from "../../errors.ts";
import { jobPaths } from "../../files/jobPaths.ts";
import { sha256OfFile } from "../../files/sha256OfFile.ts";
import type { JobRecord } from "../../store/Store.ts";
import type { StepContext } from "./StepContext.ts";

type Keys = Pick<StepContext, "store" | "encryptionKeys">;

/**
 * s, 32 bytes, derived from the encryption key, the task and contentRoot. The latter is on chain after the delivery, so
 * that encryption key and chain suffice to reveal it. Two archives never share a key: that would disclose both.
 */
export function makeDeliverableKey(
  { store, encryptionKeys }: Keys,
  id: TaskId,
  { archive, contentRoot }: { archive: string; contentRoot: string },
): Uint8Array {
  const stored = store.deliverableKey(id); // the key of an archive that is already sealed
  if (stored?.archive === archive) return unprotect(encryptionKeys, id, stored.key);
  const { current } = encryptionKeys;
  const key = derive(current, id, contentRoot);
  store.putDeliverableKey(id, archive, current.protect(key, contextOf(id)));
  return key;
}

/** The key with which the deliverable was sealed. */
export function readDeliverableKey({ store, encryptionKeys }: Keys, id: TaskId): Uint8Array {
  const stored = store.deliverableKey(id);
  if (stored) return unprotect(encryptionKeys, id, stored.key);
  throw keyLostError();
}

/**
 * The key and contentRoot that reveal a delivery. If the state database does not have them, because it was lost or
 * restored from an older backup, they are derived from the encryption keys and the chain.
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
  { encryptionKeys, jobsDirectory }: StepContext,
  id: TaskId,
  { contentRoot, keyCommit: committed }: PostedDelivery,
): Promise<string> {
  const { archive } = jobPaths(jobsDirectory, id);
  const find = (deriveKey: (encryptionKey: EncryptionKey) => Uint8Array) =>
    encryptionKeys.find((each) => {
      const key = deriveKey(each);
      return hexlify(keyCommit(key)) === committed ? hexlify(key) : null;
    });
  const key = find((each) => derive(each, id, contentRoot));
  if (key) return key;
  // Version 0.1.0 derived it from the archive.
  const sha256 = await sha256OfFile(archive).catch(() => null);
  const older =
    sha256 && find((each) => each.deriveSecret(`anneal/deliverable-key/v1/${id}/${sha256}`));
  if (older) return older;
  throw keyLostError();
}

/** The key was protected with the encryption key of its time. */
function unprotect(encryptionKeys: EncryptionKeys, id: TaskId, key: Uint8Array): Uint8Array {
  return encryptionKeys.open((each) => each.unprotect(key, contextOf(id)));
}

function derive(encryptionKey: EncryptionKey, id: TaskId, contentRoot: string): Uint8Array {
  return encryptionKey.deriveSecret(`anneal/deliverable-key/v2/${id}/${contentRoot}`);
}

function keyLostError(): ProviderError {
  return new ProviderError(
    "The key of this deliverable cannot be derived from the encryption keys.",
    {
      retryable: true,
      hint: "Restore the file encryption-keys of PROVIDER_DIR, or PROVIDER_ENCRYPTION_KEY, before the reveal deadline.",
    },
  );
}

const contextOf = (id: TaskId) => `deliverable-key/${id}`;
