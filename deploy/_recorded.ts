import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { EthereumProvider } from "hardhat/types/providers";
import { ProtocolError } from "../sdk/errors.ts";

type Provider = Pick<EthereumProvider, "request">;

/** What the folder of a network says is deployed there. */
export interface Recorded {
  readonly folder: string;
  readonly chainId: number;
  /** As it was when the folder was written; undefined if the node did not know its first block. */
  readonly genesisHash: string | undefined;
  /** Address by contract name. */
  readonly addresses: Readonly<Record<string, string>>;
}

/** Whether a chain has what the folder records. */
export type Standing = "kept" | "stale";

/** Chains that are restarted empty, so that their deployments are worth nothing. */
const LOCAL_CHAIN = 31337;

/** @returns null when nothing was deployed there. */
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
 * The code at the recorded addresses decides whether a deployment is there, and not what an endpoint says about the
 * first block: a node that has dropped old blocks names another one.
 * @returns "stale" only for a local chain, and only when none of the contracts is there.
 * @throws ProtocolError for another chain, and for one with real value that has none of the contracts.
 */
export async function compareWithChain(
  { folder, chainId, addresses }: Recorded,
  provider: Provider,
  actualChainId: number,
): Promise<Standing> {
  if (chainId !== actualChainId) {
    throw new ProtocolError(
      "usage",
      `${folder} is the deployment on chain ${chainId}, and the endpoint is on chain ${actualChainId}.`,
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
    `The endpoint has no code at ${places.join(" and ")}, where ${folder} says that the contracts are.`,
    `Ask another endpoint: this one may be behind or on another chain. Only if the contracts are really gone, move ${folder} away and deploy again.`,
  );
}

/**
 * A contract with real users is not replaced by the way: its file would be lost with its address.
 * @throws ProtocolError "usage" when one of the planned contracts is recorded on a chain with real value.
 */
export function refuseReplacing(recorded: Recorded | null, planned: readonly string[]): void {
  if (!recorded || recorded.chainId === LOCAL_CHAIN) return;
  const name = planned.find((one) => one in recorded.addresses);
  if (name === undefined) return;
  throw new ProtocolError(
    "usage",
    `${name} is deployed at ${recorded.addresses[name]}, and its code or its arguments here are others: deploying would replace ${join(recorded.folder, `${name}.json`)}.`,
    `Go back to the deployed code, or move ${recorded.folder} away to deploy a second pair.`,
  );
}

/** Answers what the first block is as the folder says; the deployment library deletes the folder if they differ. */
export const withRecordedGenesis = (provider: Provider, recorded: Recorded | null): Provider => ({
  async request(call) {
    const [block] = (call.params as unknown[] | undefined) ?? [];
    const asksForFirst =
      call.method === "eth_getBlockByNumber" && (block === "earliest" || block === "0x0");
    if (!asksForFirst) return provider.request(call);
    if (recorded) return { hash: recorded.genesisHash };
    // "earliest" is the oldest block that a node still has, which need not be the first
    const params = ["0x0", false];
    return (await provider.request({ method: call.method, params })) ?? { hash: undefined };
  },
});
