import { join } from "node:path";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import { didYouMean } from "../../sdk/didYouMean.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { type Environment, LOCAL } from "../Environment.ts";
import { openEnvironment } from "../openEnvironment.ts";

/**
 * The environment for Hardhat's network option and its keystore.
 * @throws ProtocolError "usage" for a network that is not in the configuration.
 */
export function createEnvironment(hre: HardhatRuntimeEnvironment): Environment {
  const network = hre.globalOptions.network ?? LOCAL;
  const config = hre.config.networks[network];
  if (config?.type !== "http") throw unknownNetworkError(network, Object.keys(hre.config.networks));
  return openEnvironment({
    network,
    rpcUrl: () => config.url.getUrl(),
    chainId: config.chainId,
    deploymentDirectory: join(hre.config.paths.root, "deployments", network),
    readSecret: (name) => readKeystore(hre, name),
    keepSecret: (name) => `npx hardhat keystore set ${name}`,
    command: (line) =>
      `npx hardhat ${pathOf(line, hre)}${network === LOCAL ? "" : ` --network ${network}`}`,
  });
}

/** Without flat names, all commands except the family fine-tuning are below `anneal`. */
function pathOf(line: string, { tasks }: HardhatRuntimeEnvironment): string {
  const [first = ""] = line.split(" ");
  return tasks.rootTasks.has(first) ? line : `anneal ${line}`;
}

function unknownNetworkError(network: string, names: readonly string[]): ProtocolError {
  const closest = didYouMean(network, names);
  return new ProtocolError(
    "usage",
    `There is no network "${network}" with an RPC endpoint.`,
    closest ? `Did you mean "${closest}"?` : "Use --network localhost, testnet or mainnet.",
  );
}

/** Asks for the keystore's password only if the secret is in it and there is a terminal. */
async function readKeystore(
  hre: HardhatRuntimeEnvironment,
  name: string,
): Promise<string | undefined> {
  const variable = { _type: "ConfigurationVariable", name } as const;
  const missing = async () => "";
  const value = await hre.hooks.runHandlerChain(
    "configurationVariables",
    "fetchValue",
    [variable],
    missing,
  );
  return value === "" ? undefined : value;
}
