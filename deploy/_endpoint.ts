import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import type { NetworkConnectionParams } from "hardhat/types/network";
import { readRpcUrls } from "../sdk/rpc/FailoverProvider.ts";
import { RpcEndpoint } from "../sdk/rpc/RpcEndpoint.ts";

/** How long to wait for an endpoint's response before the next one is tried. */
const TIMEOUT_MS = 5_000;

/**
 * Hardhat uses one endpoint: of several in RPC_ENDPOINT, the first that responds.
 * @throws ProtocolError "usage" if one is not a URL
 */
export async function answeringEndpoint(
  hre: HardhatRuntimeEnvironment,
): Promise<NetworkConnectionParams> {
  const { network } = hre.globalOptions;
  const text = process.env.RPC_ENDPOINT;
  if (!text || network === undefined || hre.config.networks[network]?.type !== "http") return {};
  const urls = readRpcUrls(text);
  for (const url of urls.length > 1 ? urls : []) {
    if (await answers(url)) return { override: { url } };
  }
  return {};
}

async function answers(url: string): Promise<boolean> {
  const endpoint = new RpcEndpoint(url);
  const payload = { jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] } as const;
  try {
    const [answer] = await endpoint.send(payload, TIMEOUT_MS, new AbortController().signal);
    return answer !== undefined && "result" in answer;
  } catch {
    return false;
  } finally {
    endpoint.close();
  }
}
