import { Contract, type Provider, type Signer, VoidSigner, Wallet } from "ethers";
import type { IFineTuningServing } from "../types/ethers-contracts/interfaces/IFineTuningServing.ts";
import type { ILedger } from "../types/ethers-contracts/interfaces/ILedger.ts";
import type { Deployment } from "./deployment.ts";
import { ProtocolError } from "./errors.ts";
import { FailoverProvider, readRpcUrls } from "./rpc/FailoverProvider.ts";

/** What every verb needs: a chain, the two contracts, a storage endpoint and, for sending or signing, a key. */
export interface Client {
  readonly chainId: number;
  readonly provider: FailoverProvider;
  readonly ledger: ILedger;
  readonly serving: IFineTuningServing;
  readonly ledgerAddress: string;
  readonly servingAddress: string;
  /** Block in which the contracts were deployed: they have no older events. */
  readonly deploymentBlock: number;
  /** Base URL of the storage node, without a trailing slash. */
  readonly storageUrl: string;
  readonly signer: Signer | undefined;
}

/** Options of createClient. */
export interface ClientOptions {
  /** URL of the chain's JSON-RPC endpoint, or several, comma-separated: if one fails, the next is used. */
  readonly rpcUrl: string;
  readonly deployment: Deployment;
  /** Base URL of the storage node, or several, comma-separated. */
  readonly storageUrl: string;
  /** 32 bytes as hex. Without it the client can only read. */
  readonly privateKey?: string | undefined;
  /** Milliseconds between two polls for a new block. */
  readonly pollingInterval?: number;
}

/**
 * Creates a client. It opens no connection: the first verb that needs the chain does.
 * @throws ProtocolError "usage" for a bad address or private key.
 * @example
 * const deployment = await readDeployment("deployments/localhost");
 * const client = createClient({
 *   rpcUrl: "http://127.0.0.1:8545",
 *   deployment,
 *   storageUrl: "http://127.0.0.1:5678",
 *   privateKey,
 * });
 */
export function createClient(options: ClientOptions): Client {
  const { deployment } = options;
  const urls = readRpcUrls(options.rpcUrl);
  const provider = new FailoverProvider(urls, deployment.chainId, {
    cacheTimeout: -1, // an answer from before a transaction must not be reused after it
    batchMaxCount: 1, // local nodes answer single requests several times faster than batches
    pollingInterval: options.pollingInterval ?? 250,
  });
  const signer = options.privateKey ? readWallet(options.privateKey, provider) : undefined;
  const contract = <T>(at: Deployment["ledger"]) =>
    new Contract(at.address, at.abi, provider) as unknown as T;
  return {
    chainId: deployment.chainId,
    provider,
    ledger: contract<ILedger>(deployment.ledger),
    serving: contract<IFineTuningServing>(deployment.serving),
    ledgerAddress: deployment.ledger.address,
    servingAddress: deployment.serving.address,
    deploymentBlock: deployment.blockNumber,
    storageUrl: options.storageUrl.replace(/\/+$/, ""),
    signer,
  };
}

/**
 * The client's signer.
 * @throws ProtocolError "usage" without a private key.
 * @example const user = await requireSigner(client).getAddress();
 */
export function requireSigner(client: Client): Signer {
  if (client.signer) return client.signer;
  throw new ProtocolError(
    "usage",
    "This needs a private key, but none is set.",
    "Create the client with a private key.",
    { next: { setting: "privateKey" } },
  );
}

/**
 * A client for an address whose key is elsewhere, such as a contract wallet: it builds and estimates calls, and can
 * neither sign nor send them.
 * @example const call = updateService(clientFrom(client, { address: provider }), { terms });
 */
export function clientFrom(client: Client, { address }: { readonly address: string }): Client {
  return { ...client, signer: new VoidSigner(address, client.provider) };
}

function readWallet(privateKey: string, provider: Provider): Wallet {
  try {
    return new Wallet(privateKey, provider);
  } catch {
    // The original error contains the key, so it must not become the cause.
    throw new ProtocolError(
      "usage",
      "The private key is not 32 bytes in hexadecimal.",
      "Check the private key, which is not shown here on purpose.",
      { next: { setting: "privateKey" } },
    );
  }
}
