import { isIPv6 } from "node:net";

/** Groups of an IPv6 address that identify the network: a household or a rented machine usually has a /64. */
const NETWORK_GROUPS = 4;

/** The unit that counts as one address: an IPv4 address, even if mapped to IPv6, or the /64 of an IPv6 address. */
export function addressGroup(ip: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip);
  if (mapped) return mapped[1]!;
  if (!isIPv6(ip)) return ip;
  return `${expand(ip.split("%")[0]!).slice(0, NETWORK_GROUPS).join(":")}::/64`;
}

/** The eight groups of an IPv6 address. */
function expand(ip: string): string[] {
  const [head = "", tail] = ip.split("::");
  const groups = (part: string) => (part === "" ? [] : part.split(":"));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  // A dotted ending stands for two groups; it is in the half that is cut off.
  const left = 8 - before.length - after.length;
  const all =
    tail === undefined ? before : [...before, ...Array(Math.max(0, left)).fill("0"), ...after];
  return all.map((group) => Number.parseInt(group, 16).toString(16));
}
