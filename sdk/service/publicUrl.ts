import { BlockList, isIP } from "node:net";
import type { Client } from "../client.ts";

/** The chain of the local network, on which everything is reached over loopback. */
const LOCAL_CHAIN_ID = 31337;

/** Address ranges that are not reachable from the public internet. */
const PRIVATE = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
] as const) {
  PRIVATE.addSubnet(network, prefix, "ipv4");
}
for (const [network, prefix] of [
  ["::", 127],
  ["fc00::", 7],
  ["fe80::", 10],
] as const) {
  PRIVATE.addSubnet(network, prefix, "ipv6");
}

const PRIVATE_NAME = /(^|\.)(localhost|local|internal|lan|home\.arpa)\.?$/i;

/**
 * Whether users on the client's chain can reach a URL: on a public chain, loopback and private addresses point into
 * each user's own network. Host names are not resolved, so a name with such an address passes.
 */
export function isPublicUrl({ chainId }: Pick<Client, "chainId">, url: string): boolean {
  if (chainId === LOCAL_CHAIN_ID || !URL.canParse(url)) return true;
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  const family = isIP(host);
  if (family === 0) return host.includes(".") && !PRIVATE_NAME.test(host);
  return !PRIVATE.check(host, family === 4 ? "ipv4" : "ipv6");
}
