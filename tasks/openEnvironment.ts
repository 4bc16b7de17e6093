import { existsSync } from "node:fs";
import type { Client } from "../sdk/client.ts";
import type { Deployment } from "../sdk/deployment.ts";
import { ProtocolError } from "../sdk/errors.ts";
import { readProxies, useProxies } from "../sdk/rpc/proxy.ts";
import { type Environment, LOCAL, type Role } from "./Environment.ts";

const LOCAL_STORAGE = "http://127.0.0.1:5678";
/** Accounts of the public test mnemonic, funded by `hardhat node`. Account 0 deploys. */
const LOCAL_ACCOUNTS: Record<Role, number> = { provider: 1, user: 2 };
const LOCAL_MNEMONIC = "test test test test test test test test test test test junk";

/** What differs between commands in Hardhat and in our own program. */
export interface Setting {
  readonly network: string;
  /** RPC URL of the network, unless RPC_ENDPOINT overrides it. */
  readonly rpcUrl: () => Promise<string> | string;
  /** Undefined if the project's configuration does not name it. */
  readonly chainId: number | undefined;
  /**
   * Folder with the contracts' addresses, unless ANNEAL_DEPLOYMENTS overrides it. If it does not exist, the public
   * deployment on the network's chain is used.
   */
  readonly deploymentDirectory: string;
  /** Reads a secret that is not in the environment. */
  readonly readSecret: (name: string) => Promise<string | undefined>;
  readonly keepSecret: (name: string) => string;
  readonly command: (line: string) => string;
}

/** The only place where commands read environment variables. */
export function openEnvironment(setting: Setting): Environment {
  useProxies(readProxies(process.env));
  const { network } = setting;
  const clients: Client[] = [];
  const storageUrl = findStorageUrl(network);
  const secret = async (name: string) => process.env[name] || (await setting.readSecret(name));

  const open = async (deployment: Deployment, privateKey?: string): Promise<Client> => {
    const { createClient } = await import("../sdk/client.ts");
    const { checkNetwork } = await import("../sdk/transaction/checkNetwork.ts");
    const client = createClient({
      rpcUrl: process.env.RPC_ENDPOINT || (await setting.rpcUrl()),
      deployment,
      storageUrl: storageUrl ?? "",
      privateKey,
    });
    clients.push(client);
    client.provider.guard((ask) => checkNetwork(client, ask));
    return client;
  };

  const privateKey = async (role: Role): Promise<string> => {
    if (network === LOCAL && !process.env.ZG_PRIVATE_KEY) return localKey(role);
    const stored = await secret("ZG_PRIVATE_KEY");
    if (stored) return stored;
    throw new ProtocolError(
      "usage",
      "This needs a private key, but none is set.",
      `Set ZG_PRIVATE_KEY${orKeep(setting.keepSecret("ZG_PRIVATE_KEY"))}.`,
    );
  };

  return {
    ...{ network, secret, keepSecret: setting.keepSecret, command: setting.command },
    reader: async () => open(await findDeployment(setting)),
    signer: async (role) => {
      const deployment = await findDeployment(setting); // without one, no key helps
      const client = await open(deployment, await privateKey(role));
      return { ...client, address: await client.signer!.getAddress() };
    },
    storageUrl: () => {
      if (storageUrl) return storageUrl;
      throw new ProtocolError(
        "usage",
        `No storage node is set for network ${network}.`,
        "Set STORAGE_ENDPOINT to the URL of a storage node.",
      );
    },
    close: () => {
      for (const client of clients) client.provider.destroy();
    },
  };
}

async function findDeployment(setting: Setting): Promise<Deployment> {
  const { network, chainId, deploymentDirectory } = setting;
  const chosen = process.env.ANNEAL_DEPLOYMENTS;
  const isPrivate = network === LOCAL || chainId === undefined;
  if (chosen || isPrivate || existsSync(deploymentDirectory)) {
    const { readDeployment } = await import("../sdk/deployment.ts");
    return readDeployment(chosen || deploymentDirectory);
  }
  const { publishedDeployment } = await import("../sdk/deployments.ts");
  return publishedDeployment(chainId);
}

const orKeep = (line: string) => (line === "" ? "" : `, or store it with: ${line}`);

function findStorageUrl(network: string): string | undefined {
  const url = process.env.STORAGE_ENDPOINT || (network === LOCAL ? LOCAL_STORAGE : undefined);
  return url?.replace(/\/+$/, "");
}

async function localKey(role: Role): Promise<string> {
  const { HDNodeWallet } = await import("ethers");
  const path = `m/44'/60'/0'/0/${LOCAL_ACCOUNTS[role]}`;
  return HDNodeWallet.fromPhrase(LOCAL_MNEMONIC, undefined, path).privateKey;
}
