import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { EthereumProvider } from "hardhat/types/providers";
import { ProtocolError } from "../sdk/errors.ts";

type Provider = Pick<EthereumProvider, "request">;

/** The deployment that is recorded in a network's folder. */
export interface Recorded {
  readonly folder: string;
  readonly chainId: number;
  /** Hash of the first block when the folder was written; undefined if the node did not know it. */
  readonly genesisHash: string | undefined;
  /** Address by contract name. */
  readonly addresses: Readonly<Record<string, string>>;
}

/** Whether a chain has what the folder records. */
export type Standing = "kept" | "stale";

/** The chain that is restarted empty, which makes its recorded deployments worthless. */
export const LOCAL_CHAIN = 31337;

/** @returns null if nothing was deployed there. */
export async function readRecorded(folder: string): Promise<Recorded | null> {
  const chain = await readJson(join(folder, ".chain"));
  if (chain === null) return null;
  const names = (await readdir(folder)).filter((name) => /^[^.].*\.json$/.test(name));
  const entries = names.map(async (file) => {
    const { address } = (await readJson(join(folder, file))) as { address: string };
    return [file.replace(/\.json$/, ""), address] as const;
  });
  const { chainId, genesisHash } = chain as { chainId: string; genesisHash?: string };
  return {
    folder,
    chainId: Number(chainId),
    genesisHash,
    addresses: Object.fromEntries(await Promise.all(entries)),
  };
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  return text === null ? null : JSON.parse(text);
}

/**
 * Whether a deployment exists is decided by the code at the recorded addresses, not by the endpoint's first block: a
 * node that has pruned old blocks returns a different one.
 * @returns "stale" only for a local chain, and only if none of the contracts exists.
 * @throws ProtocolError for another chain, and for a chain with real value that has none of the contracts.
 */
export async function compareWithChain(
  { folder, chainId, addresses }: Recorded,
  provider: Provider,
  actualChainId: number,
): Promise<Standing> {
  if (chainId !== actualChainId) {
    throw new ProtocolError(
      "usage",
      `${folder} is a deployment on chain ${chainId}, but the endpoint is on chain ${actualChainId}.`,
      "Choose the network with --network, or correct RPC_ENDPOINT.",
    );
  }
  const places = Object.values(addresses);
  const codes = await Promise.all(
    places.map((address) =>
      provider.request({ method: "eth_getCode", params: [address, "latest"] }),
    ),
  );
  if (places.length === 0 || codes.some((code) => code !== "0x")) return "kept";
  if (chainId === LOCAL_CHAIN) return "stale";
  throw new ProtocolError(
    "integrity",
    `The endpoint has no code at ${places.join(" and ")}, the contracts' addresses in ${folder}.`,
    `Use another endpoint: this one may be behind or on another chain. Only if the contracts really do not exist, move ${folder} away and deploy again.`,
  );
}

/**
 * Keeps contracts with real users from being replaced by accident: with its file, a contract's address would be lost.
 * @throws ProtocolError "usage" if one of the planned contracts is recorded on a chain with real value.
 */
export function refuseReplacing(recorded: Recorded | null, planned: readonly string[]): void {
  if (!recorded || recorded.chainId === LOCAL_CHAIN) return;
  const name = planned.find((one) => one in recorded.addresses);
  if (name === undefined) return;
  throw new ProtocolError(
    "usage",
    `${name} is deployed at ${recorded.addresses[name]} with different code or arguments: deploying would replace ${join(recorded.folder, `${name}.json`)}.`,
    `Check out the deployed code, or move ${recorded.folder} away to deploy a second pair.`,
  );
}

/** Returns the recorded first block: the deployment library deletes the folder if the chain's differs from it. */
export const withRecordedGenesis = (provider: Provider, recorded: Recorded | null): Provider => ({
  async request(call) {
    const [block] = (call.params as unknown[] | undefined) ?? [];
    const asksForFirst =
      call.method === "eth_getBlockByNumber" && (block === "earliest" || block === "0x0");
    if (!asksForFirst) return provider.request(call);
    if (recorded) return { hash: recorded.genesisHash };
    // "earliest" is the oldest block that a node still has, which may not be the first one
    const params = ["0x0", false];
    return (await provider.request({ method: call.method, params })) ?? { hash: undefined };
  },
});
