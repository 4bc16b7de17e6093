import { rename, rm, writeFile } from "node:fs/promises";
import { ProtocolError } from "../errors.ts";
import type { CatalogueModel } from "./fetchCatalogue.ts";
import { fetchBytes } from "./providerApi.ts";
import type { Service } from "./Service.ts";

const LIMITS = { maxBytes: 128 * 1024 * 1024, timeout: 300_000 };

/** Fetches the archive that explains how to use a model, and writes it to `targetPath` (a zip file). */
export async function fetchUsage(
  service: Service,
  {
    model,
    targetPath,
    signal,
  }: { model: CatalogueModel; targetPath: string; signal?: AbortSignal },
): Promise<{ size: number }> {
  const path = `/v1/models/${encodeURIComponent(model.name)}/usage`;
  const bytes = await fetchBytes(service, { path, signal }, LIMITS);
  if (!isZip(bytes)) {
    throw new ProtocolError(
      "integrity",
      `Provider ${service.provider} sent something else than a zip archive for ${model.name}.`,
      "Choose another provider: npx hardhat list-providers",
    );
  }
  await writeWhole(targetPath, bytes);
  return { size: bytes.length };
}

/** Every zip archive begins with a local file header, or, when empty, with its end record. */
function isZip(bytes: Uint8Array): boolean {
  const magic = Buffer.from(bytes.subarray(0, 4)).toString("latin1");
  return magic === "PK\x03\x04" || magic === "PK\x05\x06";
}

async function writeWhole(targetPath: string, bytes: Uint8Array): Promise<void> {
  const partPath = `${targetPath}.part`;
  try {
    await writeFile(partPath, bytes);
    await rename(partPath, targetPath);
  } catch (cause) {
    await rm(partPath, { force: true });
    throw new ProtocolError(
      "usage",
      `${targetPath} cannot be written: ${(cause as Error).message}.`,
      "Give a path in a folder that exists and is writable.",
      { cause },
    );
  }
}
