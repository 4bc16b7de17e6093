import type { Root } from "../ids.ts";
import { SMALL_ANSWER_BYTES, StorageConnection } from "./connection.ts";
import { refusal } from "./refusal.ts";

/**
 * Whether the storage says that it has all of `root`. Only a download proves it.
 * @throws ProtocolError "network" when it cannot be asked.
 */
export async function exists(
  storageUrl: string,
  root: Root,
  { signal }: { signal?: AbortSignal } = {},
): Promise<boolean> {
  const storage = new StorageConnection(storageUrl);
  try {
    const path = `blobs/${root}`;
    const answer = await storage.request(
      { method: "HEAD", path, maxBytes: SMALL_ANSWER_BYTES },
      signal,
    );
    if (answer.status === 200) return true;
    if (answer.status === 404) return false;
    throw refusal(answer, `to look up ${root}`);
  } finally {
    await storage.close();
  }
}
