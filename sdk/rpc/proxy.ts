import { BlockList, isIP } from "node:net";
import { ProtocolError } from "../errors.ts";

/** The proxies for outgoing requests. */
export interface ProxySettings {
  /** For http URLs. */
  readonly http?: string | undefined;
  /** For https URLs. */
  readonly https?: string | undefined;
  /** Hosts that are reached directly, comma-separated: `host`, `.domain`, `host:port`, or `*` for all. */
  readonly except?: string | undefined;
}

let settings: ProxySettings = {};

/**
 * Sets the proxies for all later requests of this process: to chain, storage and providers.
 * @throws ProtocolError "usage" for an address that is not an http URL
 */
export function useProxies(proxies: ProxySettings): void {
  for (const address of [proxies.http, proxies.https]) {
    const { protocol } = URL.parse(address || "http://none") ?? {};
    if (protocol === "http:" || protocol === "https:") continue;
    throw new ProtocolError(
      "usage",
      "The address of the proxy is not a URL that starts with http:// or https://.",
      "Give it as http://host:port or https://host:port.",
    );
  }
  settings = proxies;
}

/** Reads HTTP_PROXY, HTTPS_PROXY and NO_PROXY, also in lower case, from an environment. */
export function readProxies(
  environment: Readonly<Record<string, string | undefined>>,
): ProxySettings {
  const read = (name: string) => environment[name.toLowerCase()] || environment[name] || undefined;
  return { http: read("HTTP_PROXY"), https: read("HTTPS_PROXY"), except: read("NO_PROXY") };
}

/** The proxy for a URL; null for a direct connection, which is always used for loopback. */
export function proxyFor(url: URL, { http, https, except }: ProxySettings = settings): URL | null {
  const proxy = url.protocol === "https:" ? https : http;
  if (!proxy || isLoopback(url.hostname)) return null;
  return (except ?? "").split(/[\s,]+/).some((entry) => matches(url, entry.toLowerCase()))
    ? null
    : new URL(proxy);
}

/** The authorization header for a proxy; empty if its URL has no user. */
export function proxyAuthorization({ username, password }: URL): Record<string, string> {
  if (!username) return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  if (host === "localhost" || host.endsWith(".localhost")) return true;
  const family = isIP(host);
  return family !== 0 && LOOPBACK.check(host, family === 6 ? "ipv6" : "ipv4");
}

function matches(url: URL, entry: string): boolean {
  if (entry === "") return false;
  if (entry === "*") return true;
  const [, name = entry, port] = /^(.+?):(\d+)$/.exec(entry) ?? [];
  const own = url.port || (url.protocol === "https:" ? "443" : "80");
  if (port !== undefined && !name.includes(":") && port !== own) return false;
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const bare = (port === undefined ? entry : name).replace(/^\[|\]$/g, "").replace(/^\*?\./, "");
  return host === bare || host.endsWith(`.${bare}`);
}
