import { ProtocolError } from "../../errors.ts";

/** Endpoint of 0G's network. */
export interface ZeroGEndpoint {
  /** The service that lists the storage nodes. */
  readonly indexerUrl: string;
  /** The Flow contract, if the endpoint names it. */
  readonly flow: string | null;
}

const PREFIX = "0g+";
const ADDRESS = /^0x[0-9a-fA-F]{40}$/;

/**
 * Flow contracts of 0G's networks by chain id: files are paid for there, so the address is not taken from a storage
 * node.
 */
const FLOWS: Readonly<Record<number, string>> = {
  16602: "0x22E03a6A89B950F1c82ec5e74F8eCa321a105296",
  16661: "0x62D4144dB0F0a6fBBaeb6296c785C71B3D57C526",
};

/**
 * Parses `0g+https://<indexer>`, with `?flow=<address>` if the chain has a different Flow contract than 0G's.
 * @returns null for the URL of any other storage
 * @throws ProtocolError "usage" if the rest is not a valid URL
 */
export function parseZeroG(storageUrl: string): ZeroGEndpoint | null {
  if (!storageUrl.startsWith(PREFIX)) return null;
  const url = URL.parse(storageUrl.slice(PREFIX.length));
  const flow = url?.searchParams.get("flow") ?? null;
  const isHttp = url?.protocol === "http:" || url?.protocol === "https:";
  if (!isHttp || (flow !== null && !ADDRESS.test(flow))) {
    throw new ProtocolError(
      "usage",
      `"${storageUrl}" is not the URL of a 0G indexer.`,
      "Give 0g+https://<host of the indexer>, and ?flow=<address> for a Flow contract of your own.",
    );
  }
  url.search = "";
  return { indexerUrl: url.href, flow };
}

/**
 * The contract to which files are announced and paid.
 * @throws ProtocolError "usage" if the chain's contract is neither known nor given
 */
export function flowAddress({ flow }: ZeroGEndpoint, chainId: number): string {
  const address = flow ?? FLOWS[chainId];
  if (address) return address;
  throw new ProtocolError(
    "usage",
    `0G's Flow contract on chain ${chainId} is not known.`,
    "Name it in the storage's URL: 0g+https://<host of the indexer>?flow=<address>.",
  );
}
