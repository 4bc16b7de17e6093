import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hexlify, id as keccakOfText } from "ethers";
import type { Parameters } from "../../deploy/_parameters.ts";
import { deposit, openAccount } from "../../sdk/account/calls.ts";
import { type Client, createClient } from "../../sdk/client.ts";
import type { Root, TaskId } from "../../sdk/ids.ts";
import { registerService } from "../../sdk/service/calls.ts";
import type { CatalogueModel } from "../../sdk/service/fetchCatalogue.ts";
import { getService } from "../../sdk/service/getService.ts";
import type { ServiceTerms } from "../../sdk/service/Service.ts";
import { createTask } from "../../sdk/task/calls.ts";
import { type OrderOptions, prepareOrder } from "../../sdk/task/prepareOrder.ts";
import { send } from "../../sdk/transaction/send.ts";
import { type LocalChain, startLocalChain } from "./localChain.ts";

const OG = 10n ** 18n;

export const MODEL: CatalogueModel = {
  name: "tiny-qwen2",
  kind: "causal-lm",
  description: "A tiny model with random weights.",
  hash: keccakOfText("model"),
  predefined: true,
  tokenizerHash: keccakOfText("tokenizer"),
};

export const DATASET_ROOT = keccakOfText("dataset") as Root;

/** A local chain with a registered provider, and a user whose account holds 1 OG. */
export interface Market {
  readonly chain: LocalChain;
  readonly user: Client & { readonly address: string };
  readonly provider: Client & { readonly address: string };
  /** Has a wallet, and no account. */
  readonly stranger: Client & { readonly address: string };
  /** Has no key. */
  readonly reader: Client;
  readonly terms: ServiceTerms;
  /** The provider's secret encryption key, 32 bytes. */
  readonly encryptionSecret: Uint8Array;
  /** Orders a task from the provider as the user. */
  order(overrides?: Partial<OrderOptions>): Promise<TaskId>;
  close(): Promise<void>;
}

/** Starts a market. Terms, parameters and the storage's URL may be chosen; the provider has 2 OG, stake included. */
export async function startMarket({
  storageUrl = "http://127.0.0.1:1",
  parameters = {},
  ...chosen
}: Partial<ServiceTerms> & {
  storageUrl?: string;
  parameters?: Partial<Parameters>;
} = {}): Promise<Market> {
  const chain = await startLocalChain(parameters);
  const clients: Client[] = [];
  const connect = (privateKey?: string) => {
    const { rpcUrl, deployment } = chain;
    const client = createClient({
      rpcUrl,
      deployment,
      storageUrl,
      privateKey,
      pollingInterval: 10,
    });
    clients.push(client);
    return client;
  };
  const as = (index: number) => {
    const { address, privateKey } = chain.accounts[index]!;
    return { ...connect(privateKey), address };
  };
  const [provider, user, stranger] = [as(1), as(2), as(3)];
  const encryptionSecret = new Uint8Array(32).fill(7);
  const terms: ServiceTerms = {
    pricePerUnit: 1_000n,
    unit: "byte",
    maxTrainingTime: 3_600,
    bondBps: 15_000,
    unacknowledgedBps: 3_000,
    openTasksPerUser: 1,
    accepting: true,
    catalogueHash: keccakOfText("catalogue"),
    encryptionKey: hexlify(secp256k1.getPublicKey(encryptionSecret, true)),
    url: "http://127.0.0.1:1",
    ...chosen,
  };
  await send(provider, openAccount(provider, { amount: OG }));
  await send(provider, deposit(provider, { amount: OG }));
  await send(provider, registerService(provider, { terms }));
  await send(user, openAccount(user, { amount: OG }));

  return {
    chain,
    user,
    provider,
    stranger,
    reader: connect(),
    terms,
    encryptionSecret,
    async order(overrides = {}) {
      const service = await getService(user, { provider: provider.address });
      const { id, order } = await prepareOrder(user, {
        service,
        model: MODEL,
        datasetRoot: DATASET_ROOT,
        units: 1_000_000n,
        maxFee: 10n ** 12n,
        config: {},
        ...overrides,
      });
      await send(user, createTask(user, { order }));
      return id;
    },
    async close() {
      for (const client of clients) client.provider.destroy();
      await chain.close();
    },
  };
}
