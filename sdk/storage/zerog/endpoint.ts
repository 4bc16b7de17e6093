import { ProtocolError } from "../../errors.ts";

/** Where 0G's network is reached. */
export interface ZeroGEndpoint {
  /** The service that knows the storage nodes. */
  readonly indexerUrl: string;
  /** The Flow contract, where the endpoint names it. */
  readonly flow: string | null;
}

const PREFIX = "0g+";
const ADDRESS = /^0x[0-9a-fA-F]{40}$/;

/** Flow contracts of 0G's networks by chain id: what files are paid to. A storage node's word is not enough for that. */
const FLOWS: Readonly<Record<number, string>> = {
  16602: "0x22E03a6A89B950F1c82ec5e74F8eCa321a105296",
  16661: "0x62D4144dB0F0a6fBBaeb6296c785C71B3D57C526",
};

/**
 * Reads `0g+https://<indexer>`, with `?flow=<address>` where the chain has another Flow contract than 0G's usual one.
 * @returns null for the address of any other storage
 * @throws ProtocolError "usage" when what follows the prefix is no such address
 */
export function parseZeroG(storageUrl: string): ZeroGEndpoint | null {
  if (!storageUrl.startsWith(PREFIX)) return null;
  const url = URL.parse(storageUrl.slice(PREFIX.length));
  const flow = url?.searchParams.get("flow") ?? null;
  const isHttp = url?.protocol === "http:" || url?.protocol === "https:";
  if (!isHttp || (flow !== null && !ADDRESS.test(flow))) {
    throw new ProtocolError(
      "usage",
      `"${storageUrl}" is not the address of a 0G indexer.`,
      "Give 0g+https://<host of the indexer>, and ?flow=<address> for a Flow contract of your own.",
    );
  }
  url.search = "";
  return { indexerUrl: url.href, flow };
}

/**
 * The contract that files are announced and paid to.
 * @throws ProtocolError "usage" on a chain whose contract is not known and not given
 */
export function flowAddress({ flow }: ZeroGEndpoint, chainId: number): string {
  const address = flow ?? FLOWS[chainId];
  if (address) return address;
  throw new ProtocolError(
    "usage",
    `0G's Flow contract on chain ${chainId} is not known.`,
    "Name it in the storage's address: 0g+https://<host of the indexer>?flow=<address>.",
  );
}
