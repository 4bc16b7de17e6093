import { z } from "zod";
import { type OnlineProcess, runOnline } from "./runOnline.ts";

/** A model in a hub repository. */
export interface HubModel {
  readonly repository: string;
  /** A branch, tag or commit; default: main. */
  readonly revision?: string | undefined;
}

export interface FetchOptions {
  readonly target: string;
  readonly token?: string | undefined;
  readonly maxBytes: number;
  /** Directory of a model with the required architecture, which is checked before weights are fetched. */
  readonly base?: string;
}

const Fetched = z.object({ commit: z.string() });
const Uploaded = z.object({ url: z.string() });

/**
 * Fetches the weights, configuration and tokenizer of a repository into `target`, completely or not at all.
 * @returns the commit.
 * @throws OnlineRefusedError for an unusable repository, ProviderError if the hub does not respond.
 */
export async function fetchFromHub(
  online: OnlineProcess,
  { repository, revision }: HubModel,
  { target, token, maxBytes, base }: FetchOptions,
  signal: AbortSignal,
): Promise<string> {
  const args = ["--repository", repository, "--to", target, "--max-bytes", String(maxBytes)];
  if (revision !== undefined) args.push("--revision", revision);
  if (base !== undefined) args.push("--base", base);
  const printed = await runOnline(
    online,
    ["anneal_online.hub", "fetch", ...args],
    { hf_api_token: token },
    signal,
  );
  return Fetched.parse(JSON.parse(printed)).commit;
}

/**
 * Uploads a directory to a repository, which is created as private if it does not exist.
 * @returns its URL.
 * @throws like fetchFromHub.
 */
export async function uploadToHub(
  online: OnlineProcess,
  { directory, repository, message }: { directory: string; repository: string; message: string },
  token: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const args = ["--directory", directory, "--repository", repository, "--message", message];
  const printed = await runOnline(
    online,
    ["anneal_online.hub", "upload", ...args],
    { hf_api_token: token },
    signal,
  );
  return Uploaded.parse(JSON.parse(printed)).url;
}
