import { getBytes } from "ethers";
import type { Client } from "../client.ts";
import { sealDataset } from "../exchange/sealDataset.ts";
import type { Root } from "../ids.ts";
import type { Service } from "../service/Service.ts";
import { signRequest } from "../service/signedRequest.ts";
import type { Content } from "../storage/files/content.ts";
import { rootOfContent } from "../storage/files/rootOfContent.ts";
import type { Uploaded, UploadOptions } from "../storage/transfer/TransferOptions.ts";
import { uploadContent } from "../storage/upload.ts";
import { deriveDatasetKey } from "./deriveDatasetKey.ts";

/** A dataset on this machine, and the service of the only provider that may read it. */
export interface PrivateDataset {
  readonly service: Service;
  readonly path: string;
  /** 32 secret bytes that take the place of the wallet's signature; see prepareOrder. */
  readonly taskKey?: Uint8Array | undefined;
}

/**
 * Uploads a dataset that only the service's provider can read: it is encrypted during the upload, and storage never
 * sees the plaintext. The same file for the same provider has the same root, so stored segments are not sent again.
 * @throws ProtocolError as upload.
 * @example const { root } = await uploadDataset(client, { service, path: "capitals.jsonl" });
 */
export async function uploadDataset(
  client: Client,
  { service, path, taskKey, ...options }: PrivateDataset & UploadOptions,
): Promise<Uploaded> {
  return withSealed(client, { service, path, taskKey }, options.signal, (content) =>
    uploadContent(client.storageUrl, content, {
      sign: (request) => signRequest(client, request),
      ...options,
    }),
  );
}

/**
 * The root that uploadDataset returns, without sending anything.
 * @throws ProtocolError "usage" for a bad path.
 * @example const root = await rootOfDataset(client, { service, path: "capitals.jsonl" });
 */
export async function rootOfDataset(client: Client, dataset: PrivateDataset): Promise<Root> {
  return withSealed(client, dataset, undefined, async (content) => {
    return (await rootOfContent(content)).root;
  });
}

async function withSealed<T>(
  client: Client,
  { service: { provider, encryptionKey }, path, taskKey }: PrivateDataset,
  signal: AbortSignal | undefined,
  work: (content: Content) => Promise<T>,
): Promise<T> {
  const content = await sealDataset(path, {
    receiverKey: getBytes(encryptionKey),
    deriveKey: (contentHash) => deriveDatasetKey(client, { provider, contentHash, taskKey }),
    signal,
  });
  try {
    return await work(content);
  } finally {
    await content.close();
  }
}
