import { resolve } from "node:path";
import { didYouMean } from "../../sdk/didYouMean.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { type Environment, LOCAL } from "../Environment.ts";
import { NETWORKS } from "../networks.ts";
import { openEnvironment } from "../openEnvironment.ts";

/**
 * The environment for a built-in network; secrets come only from environment variables.
 * @throws ProtocolError "usage" for an unknown network.
 */
export function createEnvironment(network: string): Environment {
  if (!isNetwork(network)) throw unknownNetworkError(network);
  return openEnvironment({
    network,
    rpcUrl: () => NETWORKS[network].rpcUrl,
    chainId: NETWORKS[network].chainId,
    deploymentDirectory: resolve("deployments", network),
    readSecret: async () => undefined,
    keepSecret: () => "",
    command: (line) => `npx anneal ${line}${network === LOCAL ? "" : ` --network ${network}`}`,
  });
}

const isNetwork = (name: string): name is keyof typeof NETWORKS => Object.hasOwn(NETWORKS, name);

function unknownNetworkError(network: string): ProtocolError {
  const names = Object.keys(NETWORKS);
  const closest = didYouMean(network, names);
  return new ProtocolError(
    "usage",
    `There is no network "${network}".`,
    closest ? `Did you mean "${closest}"?` : `Use --network with one of: ${names.join(", ")}.`,
  );
}
