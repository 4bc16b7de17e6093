import { join } from "node:path";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import { didYouMean } from "../../sdk/didYouMean.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { type Environment, LOCAL } from "../Environment.ts";
import { openEnvironment } from "../openEnvironment.ts";
import { askLine } from "../terminal/askLine.ts";

/**
 * The environment for Hardhat's network option and its keystore.
 * @throws ProtocolError "usage" for a network that is not in the configuration.
 */
export function createEnvironment(hre: HardhatRuntimeEnvironment): Environment {
  const network = hre.globalOptions.network ?? LOCAL;
  const config = hre.config.networks[network];
  if (config?.type !== "http") throw unknownNetworkError(network, hre.config.networks);
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

function unknownNetworkError(
  network: string,
  networks: HardhatRuntimeEnvironment["config"]["networks"],
): ProtocolError {
  const names = Object.keys(networks).filter((name) => networks[name]?.type === "http");
  const closest = didYouMean(network, names);
  return new ProtocolError(
    "usage",
    `There is no network "${network}" with an RPC endpoint.`,
    closest ? `Did you mean "${closest}"?` : "Use --network localhost, testnet or mainnet.",
  );
}

/** Asks for the keystore's password only if the secret is in it. */
async function readKeystore(
  { hooks }: HardhatRuntimeEnvironment,
  name: string,
): Promise<string | undefined> {
  const variable = { _type: "ConfigurationVariable", name, default: "" } as const;
  const missing = async () => "";
  const questions = { requestSecretInput: () => askPassword(name) };
  hooks.registerHandlers("userInterruptions", questions);
  try {
    const value = await hooks.runHandlerChain(
      "configurationVariables",
      "fetchValue",
      [variable],
      missing,
    );
    return value === "" ? undefined : value;
  } catch (error) {
    throw error instanceof ProtocolError ? error : unreadableKeystoreError(name, error);
  } finally {
    hooks.unregisterHandlers("userInterruptions", questions);
  }
}

async function askPassword(name: string): Promise<string> {
  if (process.stdin.isTTY && process.stderr.isTTY)
    return askLine("Password of the keystore: ", true);
  throw new ProtocolError(
    "usage",
    `${name} is in the keystore, whose password cannot be typed without a terminal.`,
    `Set ${name} in the environment, or run the command at a terminal.`,
  );
}

const unreadableKeystoreError = (name: string, cause: unknown) =>
  new ProtocolError(
    "usage",
    `${name} cannot be read from the keystore: the password is wrong, or the file is damaged.`,
    `Run the command again, or set ${name} in the environment.`,
    { cause },
  );
