import { isIPv6 } from "node:net";

/** Groups of an IPv6 address that name the network: a household or a rented machine gets a /64 of its own. */
const NETWORK_GROUPS = 4;

/** What counts as one address: an IPv4 address, also where it is written as IPv6, or the /64 of an IPv6 one. */
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
  // A dotted end has the room of two groups; it is in the half that is cut off.
  const left = 8 - before.length - after.length;
  const all =
    tail === undefined ? before : [...before, ...Array(Math.max(0, left)).fill("0"), ...after];
  return all.map((group) => Number.parseInt(group, 16).toString(16));
}
