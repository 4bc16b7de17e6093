import type { Root } from "../ids.ts";
import {
  SMALL_ANSWER_BYTES,
  StorageConnection,
  storageUrls,
} from "./transfer/StorageConnection.ts";
import { storageError } from "./transfer/storageError.ts";
import { parseZeroG } from "./zerog/endpoint.ts";

export interface ExistsParameters {
  readonly signal?: AbortSignal;
}

/**
 * Whether the storage, or one of several, comma-separated, reports that it has all of `root`. Only a download proves
 * it.
 * @throws ProtocolError "network" if it cannot be reached.
 * @example const isStored = await exists(client.storageUrl, root);
 */
export async function exists(
  storageUrl: string,
  root: Root,
  { signal }: ExistsParameters = {},
): Promise<boolean> {
  const zeroG = parseZeroG(storageUrl);
  if (zeroG) {
    const { existsOnZeroG } = await import("./zerog/existsOnZeroG.ts");
    return existsOnZeroG(zeroG, root, { signal });
  }
  for (const url of storageUrls(storageUrl)) {
    if (await existsAt(url, root, signal)) return true;
  }
  return false;
}

async function existsAt(url: string, root: Root, signal?: AbortSignal): Promise<boolean> {
  const storage = new StorageConnection(url);
  try {
    const path = `blobs/${root}`;
    const answer = await storage.request(
      { method: "HEAD", path, maxBytes: SMALL_ANSWER_BYTES },
      signal,
    );
    if (answer.status === 200) return true;
    if (answer.status === 404) return false;
    throw storageError(answer, `to look up ${root}`);
  } finally {
    storage.close();
  }
}
