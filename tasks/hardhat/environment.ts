import { join } from "node:path";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import type { Client } from "../../sdk/client.ts";
import { didYouMean } from "../../sdk/didYouMean.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { readProxies, useProxies } from "../../sdk/rpc/proxy.ts";

/** Whose key signs where the environment names none: the local network has one account for each role. */
export type Role = "user" | "provider";

/** The network a command talks to, and the only reader of environment variables among the commands. */
export interface Environment {
  /** Name of the network, as after --network. */
  readonly network: string;
  /** Can only read. */
  reader(): Promise<Client>;
  /** Can also sign and send. */
  signer(role: Role): Promise<Client & { readonly address: string }>;
  /** A secret from the environment or Hardhat's keystore; undefined where it is in neither. */
  secret(name: string): Promise<string | undefined>;
  /** Base URL of the storage node. */
  storageUrl(): string;
  /** A whole command line to suggest, for the same network. */
  command(line: string): string;
  close(): void;
}

const LOCAL = "localhost";
const LOCAL_STORAGE = "http://127.0.0.1:5678";
/** Accounts of the public test mnemonic that `hardhat node` funds. 0 deploys. */
const LOCAL_ACCOUNTS: Record<Role, number> = { provider: 1, user: 2 };
const LOCAL_MNEMONIC = "test test test test test test test test test test test junk";

/** @throws ProtocolError "usage" for a network that the configuration does not name. */
export function createEnvironment(hre: HardhatRuntimeEnvironment): Environment {
  useProxies(readProxies(process.env));
  const network = hre.globalOptions.network ?? LOCAL;
  const config = hre.config.networks[network];
  if (config?.type !== "http") throw unknownNetwork(network, Object.keys(hre.config.networks));
  const clients: Client[] = [];

  const open = async (privateKey?: string): Promise<Client> => {
    const { createClient } = await import("../../sdk/client.ts");
    const { readDeployment } = await import("../../sdk/deployment.ts");
    const { checkNetwork } = await import("../../sdk/transaction/checkNetwork.ts");
    const rpcUrl = process.env.RPC_ENDPOINT || (await config.url.getUrl());
    const directory =
      process.env.ANNEAL_DEPLOYMENTS || join(hre.config.paths.root, "deployments", network);
    const client = createClient({
      rpcUrl,
      deployment: await readDeployment(directory),
      storageUrl: findStorageUrl(network) ?? "",
      privateKey,
    });
    clients.push(client);
    await checkNetwork(client);
    return client;
  };

  return {
    network,
    reader: () => open(),
    signer: async (role) => {
      const client = await open(await readPrivateKey(hre, network, role));
      return { ...client, address: await client.signer!.getAddress() };
    },
    secret: (name) => readSecret(hre, name),
    storageUrl: () => {
      const url = findStorageUrl(network);
      if (url) return url;
      throw new ProtocolError(
        "usage",
        `No storage node is set for network ${network}.`,
        "Set STORAGE_ENDPOINT to the URL of a storage node.",
      );
    },
    command: (line) => `npx hardhat ${line}${network === LOCAL ? "" : ` --network ${network}`}`,
    close: () => {
      for (const client of clients) client.provider.destroy();
    },
  };
}

function findStorageUrl(network: string): string | undefined {
  const url = process.env.STORAGE_ENDPOINT || (network === LOCAL ? LOCAL_STORAGE : undefined);
  return url?.replace(/\/+$/, "");
}

function unknownNetwork(network: string, names: readonly string[]): ProtocolError {
  const closest = didYouMean(network, names);
  return new ProtocolError(
    "usage",
    `There is no network "${network}" with an RPC endpoint.`,
    closest ? `Did you mean "${closest}"?` : "Use --network localhost, testnet or mainnet.",
  );
}

async function readPrivateKey(
  hre: HardhatRuntimeEnvironment,
  network: string,
  role: Role,
): Promise<string> {
  if (network === LOCAL && !process.env.ZG_PRIVATE_KEY) return await localKey(role);
  const stored = await readSecret(hre, "ZG_PRIVATE_KEY");
  if (stored) return stored;
  throw new ProtocolError(
    "usage",
    "This needs a private key and none is set.",
    "Set ZG_PRIVATE_KEY, or store it with: npx hardhat keystore set ZG_PRIVATE_KEY.",
  );
}

/** Asks for the keystore's password only when the secret is in it, and only where somebody can answer. */
async function readSecret(
  hre: HardhatRuntimeEnvironment,
  name: string,
): Promise<string | undefined> {
  if (process.env[name]) return process.env[name];
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

async function localKey(role: Role): Promise<string> {
  const { HDNodeWallet } = await import("ethers");
  const path = `m/44'/60'/0'/0/${LOCAL_ACCOUNTS[role]}`;
  return HDNodeWallet.fromPhrase(LOCAL_MNEMONIC, undefined, path).privateKey;
}
