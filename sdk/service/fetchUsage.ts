import { ProtocolError } from "../errors.ts";
import type { CatalogueModel } from "./fetchCatalogue.ts";
import { fetchBytes } from "./providerApi.ts";
import type { Service } from "./Service.ts";

const LIMITS = { maxBytes: 128 * 1024 * 1024, timeout: 300_000 };

export interface FetchUsageParameters {
  /** As listed in the service's catalogue. */
  readonly model: CatalogueModel;
  readonly signal?: AbortSignal;
}

/**
 * Fetches the zip archive with a model's instructions.
 * @returns the bytes of the archive.
 * @throws ProtocolError "integrity" if it is not a zip archive, "network" if the provider does not answer; the signal's
 * reason when aborted.
 * @example
 * const archive = await fetchUsage(service, { model });
 * await writeFile("usage.zip", archive);
 */
export async function fetchUsage(
  service: Service,
  { model, signal }: FetchUsageParameters,
): Promise<Uint8Array> {
  const path = `/v1/models/${encodeURIComponent(model.name)}/usage`;
  const bytes = await fetchBytes(service, { path, signal }, LIMITS);
  if (!isZip(bytes)) {
    throw new ProtocolError(
      "integrity",
      `Provider ${service.provider} sent something other than a zip archive for ${model.name}.`,
      "Choose another provider.",
      { next: { verb: "listServices" } },
    );
  }
  return bytes;
}

/** Every zip archive starts with a local file header or, if it is empty, with its end record. */
function isZip(bytes: Uint8Array): boolean {
  const magic = Buffer.from(bytes.subarray(0, 4)).toString("latin1");
  return magic === "PK\x03\x04" || magic === "PK\x05\x06";
}
