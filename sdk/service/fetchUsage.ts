import { ProtocolError } from "../errors.ts";
import type { CatalogueModel } from "./fetchCatalogue.ts";
import { fetchBytes } from "./providerApi.ts";
import type { Service } from "./Service.ts";

const LIMITS = { maxBytes: 128 * 1024 * 1024, timeout: 300_000 };

/** Fetches the zip archive that explains how to use a model. */
export async function fetchUsage(
  service: Service,
  { model, signal }: { model: CatalogueModel; signal?: AbortSignal },
): Promise<Uint8Array> {
  const path = `/v1/models/${encodeURIComponent(model.name)}/usage`;
  const bytes = await fetchBytes(service, { path, signal }, LIMITS);
  if (!isZip(bytes)) {
    throw new ProtocolError(
      "integrity",
      `Provider ${service.provider} sent something else than a zip archive for ${model.name}.`,
      "Choose another provider.",
      { next: { verb: "listServices" } },
    );
  }
  return bytes;
}

/** Every zip archive begins with a local file header, or, when empty, with its end record. */
function isZip(bytes: Uint8Array): boolean {
  const magic = Buffer.from(bytes.subarray(0, 4)).toString("latin1");
  return magic === "PK\x03\x04" || magic === "PK\x05\x06";
}
