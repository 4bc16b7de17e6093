import { createHash } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Root } from "../../sdk/ids.ts";
import { download } from "../../sdk/storage/download.ts";
import { pathExists } from "../../sdk/storage/files/pathExists.ts";
import { fetchFromHub } from "../online/hub.ts";
import { type OnlineProcess, runOnline } from "../online/runOnline.ts";

const NO_SOURCE = 'expected {"repository": …, "revision": …} or a storage root';

/** The source of a model whose files are not in its directory. */
export const ModelSource = z.union(
  [
    z.strictObject({
      repository: z.string().regex(/^[A-Za-z0-9][\w.-]{0,95}(\/[A-Za-z0-9][\w.-]{0,95})?$/),
      /** Preferably a commit: a branch is only resolved once, when the model is fetched. */
      revision: z.string().regex(/^[A-Za-z0-9][\w./-]{0,127}$/),
    }),
    /** Storage root of a zip with the model's files at its top. */
    z.string().regex(/^0x[0-9a-f]{64}$/, NO_SOURCE),
  ],
  NO_SOURCE,
);
export type ModelSource = z.infer<typeof ModelSource>;

/** The sources, the limits and the target directory for fetching models. */
export interface ModelCache {
  readonly directory: string;
  readonly storageUrl: string;
  readonly online: OnlineProcess;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Fetches a model unless it was fetched before. @returns its complete directory.
 * @throws ProviderError if the source does not respond, or does not hold a usable model.
 */
export async function fetchModel(
  cache: ModelCache,
  name: string,
  source: ModelSource,
): Promise<string> {
  const digest = createHash("sha256").update(JSON.stringify(source)).digest("hex").slice(0, 16);
  const target = join(cache.directory, `${name}-${digest}`);
  if (await pathExists(target)) return target;
  await mkdir(cache.directory, { recursive: true, mode: 0o700 });
  if (typeof source === "string") await fetchArchive(cache, source as Root, target);
  else await fetchFromHub(cache.online, source, { target, maxBytes: cache.maxBytes }, cache.signal);
  return target;
}

async function fetchArchive(
  { storageUrl, online, maxBytes, signal }: ModelCache,
  root: Root,
  target: string,
): Promise<void> {
  const archive = `${target}.zip`;
  try {
    await download(storageUrl, root, archive, { signal });
    const args = ["--archive", archive, "--to", target, "--max-bytes", String(maxBytes)];
    await runOnline(online, ["anneal_online.unpack", ...args], {}, signal);
  } finally {
    await rm(archive, { force: true });
  }
}
