import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hexlify, id as keccakOfText } from "ethers";
import type { Parameters } from "../../deploy/_parameters.ts";
import { openAccount, UNLIMITED } from "../../sdk/account/calls.ts";
import { type Client, type ClientOptions, createClient } from "../../sdk/client.ts";
import type { Root, TaskId } from "../../sdk/ids.ts";
import { registerService } from "../../sdk/service/calls.ts";
import type { CatalogueModel } from "../../sdk/service/fetchCatalogue.ts";
import { getService } from "../../sdk/service/getService.ts";
import type { ServiceTerms } from "../../sdk/service/Service.ts";
import { createTask } from "../../sdk/task/calls.ts";
import {
  type OrderOptions,
  type PreparedOrder,
  prepareOrder,
} from "../../sdk/task/prepareOrder.ts";
import { send } from "../../sdk/transaction/send.ts";
import { startLocalChain } from "./localChain.ts";
import type { TestChain } from "./TestChain.ts";

const OG = 10n ** 18n;
/** Nothing listens there. */
export const NOWHERE = "http://127.0.0.1:9";

/** Of a model for which a byte counts as a unit of work in each epoch, as in the full training of 1B parameters. */
export const RATES = {
  ...{ full: 10_000, lora: 6_667, evaluation: 3_333 },
  ...{ checkpointUnits: 0, loraCheckpointUnits: 0 },
};

export const MODEL: CatalogueModel = {
  name: "tiny-qwen2",
  kind: "causal-lm",
  description: "A tiny model with random weights.",
  hash: keccakOfText("model"),
  predefined: true,
  tokenizerHash: keccakOfText("tokenizer"),
  rates: RATES,
};

export const DATASET_ROOT = keccakOfText("dataset") as Root;

/** The secret encryption key of a provider that has no daemon, 32 bytes. */
export const ENCRYPTION_SECRET = new Uint8Array(32).fill(7);
export const ENCRYPTION_KEY = hexlify(secp256k1.getPublicKey(ENCRYPTION_SECRET, true));

/** Terms of a provider that has no daemon. */
const TERMS: Omit<ServiceTerms, "operator"> = {
  pricePerUnit: 1_000n,
  minimumUnits: 1n,
  unit: "byte",
  maxTrainingTime: 3_600,
  bondBps: 15_000,
  unacknowledgedBps: 3_000,
  openTasksPerUser: 1,
  accepting: true,
  catalogueHash: keccakOfText("catalogue"),
  encryptionKey: ENCRYPTION_KEY,
  url: NOWHERE,
};

/** A client that signs as one of the chain's accounts. */
export type Account = Client & { readonly address: string };

export interface MarketOptions extends Partial<ServiceTerms> {
  readonly storageUrl?: string;
  readonly parameters?: Partial<Parameters>;
}

/**
 * A chain with both contracts, a provider, a user, and a folder for their files. Extended by what a test needs in
 * addition (a daemon, the command line, faults).
 */
export class MarketFixture {
  readonly chain: TestChain;
  /** Initially empty; removed with the market. */
  readonly folder: string;
  readonly storageUrl: string;
  readonly #clients: Client[] = [];
  readonly #accounts = new Map<number, Account>();
  #reader: Client | null = null;
  /** The provider's registered one. */
  terms: ServiceTerms;

  protected constructor(chain: TestChain, storageUrl: string, folder = makeFolder()) {
    this.chain = chain;
    this.folder = folder;
    this.storageUrl = storageUrl;
    this.terms = { ...TERMS, operator: chain.accounts[1]!.address };
  }

  /** A market with a registered provider, with optional terms, and a user whose account holds 1 OG. */
  static async open(options: MarketOptions = {}): Promise<MarketFixture> {
    const { storageUrl = NOWHERE, parameters, ...terms } = options;
    const market = new MarketFixture(await startLocalChain(parameters), storageUrl);
    await market.register(terms);
    await market.openAccount(market.user, OG);
    return market;
  }

  get provider(): Account {
    return this.#account(1);
  }

  get user(): Account {
    return this.#account(2);
  }

  /** Has a wallet, and no account in the Ledger. */
  get stranger(): Account {
    return this.#account(3);
  }

  /** Has no key. */
  get reader(): Client {
    this.#reader ??= this.connect({});
    return this.#reader;
  }

  #account(index: number): Account {
    const account = this.#accounts.get(index) ?? this.client(index);
    this.#accounts.set(index, account);
    return account;
  }

  /** Another client of an account: 1 is the provider, 2 and above are users. */
  client(index: number): Account {
    const { address, privateKey } = this.chain.accounts[index]!;
    return { ...this.connect({ privateKey }), address };
  }

  /** A client without a key that reaches the chain at another address. */
  through(rpcUrl: string): Client {
    return this.connect({ rpcUrl });
  }

  /** A client that is closed with the market. */
  protected connect(options: Partial<ClientOptions>): Client {
    const { rpcUrl, deployment } = this.chain;
    const { storageUrl } = this;
    const client = createClient({
      ...{ rpcUrl, deployment, storageUrl, pollingInterval: 10 },
      ...options,
    });
    this.#clients.push(client);
    return client;
  }

  /** Opens an account with `amount`, all of which may be reserved. */
  async openAccount(owner: Client, amount: bigint): Promise<void> {
    await send(owner, openAccount(owner, { amount, allowance: UNLIMITED }));
  }

  /** Opens the provider's account with `amount`, stake included, and registers it. */
  async register(chosen: Partial<ServiceTerms> = {}, amount = 2n * OG): Promise<void> {
    const { provider } = this;
    await this.openAccount(provider, amount);
    this.terms = { ...TERMS, operator: provider.address, ...chosen };
    await send(provider, registerService(provider, { terms: this.terms }));
  }

  /** Orders a task of 1,000,000 units; defaults name things that do not exist. */
  async order(chosen: Partial<OrderOptions> = {}, user: Client = this.user): Promise<TaskId> {
    const { id, order } = await this.makeOrder(chosen, user);
    await send(user, createTask(user, { order }));
    return id;
  }

  /** The same order, not placed. */
  async makeOrder(
    chosen: Partial<OrderOptions> = {},
    user: Client = this.user,
  ): Promise<PreparedOrder> {
    return prepareOrder(user, {
      service: await getService(user, { provider: this.provider.address }),
      model: MODEL,
      datasetRoot: DATASET_ROOT,
      units: 1_000_000n,
      maxFee: 10n ** 12n,
      config: {},
      ...chosen,
    });
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.provider.destroy();
    await this.chain.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** @param parent where it is created */
export function makeFolder(parent = tmpdir()): string {
  return mkdtempSync(join(parent, "anneal-market-"));
}
