import type { Root } from "../../ids.ts";
import type { ZeroGEndpoint } from "./endpoint.ts";
import { DEFAULT_TIMING, findCover, Network, type Timing } from "./Network.ts";

/** Whether nodes of 0G's network report that together they have all of `root`. Only a download proves it. */
export async function existsOnZeroG(
  endpoint: ZeroGEndpoint,
  root: Root,
  { signal }: { signal?: AbortSignal | undefined } = {},
  timing: Timing = DEFAULT_TIMING,
): Promise<boolean> {
  const network = new Network(endpoint, timing);
  try {
    return findCover(await network.holders(root, signal)) !== undefined;
  } finally {
    await network.close();
  }
}
