import { getBytes } from "ethers";
import type { Client } from "../client.ts";
import { sealDataset } from "../exchange/sealDataset.ts";
import type { Service } from "../service/Service.ts";
import { type Uploaded, type UploadOptions, uploadContent } from "../storage/upload.ts";
import { deriveDatasetKey } from "./deriveDatasetKey.ts";

/**
 * Uploads a dataset that only the service's provider can read: it is encrypted on its way out, and storage sees no byte
 * of it. The same file for the same provider has the same root, so that what storage has is not sent again.
 * @throws ProtocolError as upload.
 */
export async function uploadDataset(
  client: Client,
  { service, path, ...options }: { service: Service; path: string } & UploadOptions,
): Promise<Uploaded> {
  const { provider, encryptionKey } = service;
  const content = await sealDataset(path, {
    receiverKey: getBytes(encryptionKey),
    deriveKey: (contentHash) => deriveDatasetKey(client, { provider, contentHash }),
    signal: options.signal,
  });
  try {
    return await uploadContent(client.storageUrl, content, options);
  } finally {
    await content.close();
  }
}
