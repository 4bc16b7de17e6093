import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getBytes, id as hashText } from "ethers";
import type { FastifyInstance } from "fastify";
import pino from "pino";
import { EncryptionKey } from "../../provider/EncryptionKey.ts";
import { Catalogue, type Model } from "../../provider/models/Catalogue.ts";
import { createStorageServer } from "../../provider/storage/storageServer.ts";
import type { Identity } from "../../provider/store/SqliteStore.ts";
import { getAccount } from "../../sdk/account/getAccount.ts";
import type { ClientOptions } from "../../sdk/client.ts";
import type { Root } from "../../sdk/ids.ts";
import { getService } from "../../sdk/service/getService.ts";
import type { Service } from "../../sdk/service/Service.ts";
import { upload } from "../../sdk/storage/upload.ts";
import { prepareOrder } from "../../sdk/task/prepareOrder.ts";
import { quote } from "../../sdk/task/quote.ts";
import { type Account, MarketFixture, makeFolder, RATES } from "../helpers/MarketFixture.ts";
import { packDirectory } from "../helpers/packDirectory.ts";
import { Anvil } from "./Anvil.ts";
import { stubOutput } from "./StubTrainer.ts";

const OG = 10n ** 18n;
/** Accounts from 2 to this one are users with money. */
export const USERS = 9;
/** Blocks between two runs on a continuing chain: no reorganization reaches from one into the other. */
const BEDROCK = 65;
const ROWS = `${JSON.stringify({ text: "Once upon a time." })}\n`;

interface ChainTransaction {
  readonly hash: string;
  readonly from: string;
  readonly to: string | null;
  readonly input: string;
}

/** A block as the node gives it, with its transactions. */
export interface ChainBlock {
  /** Hexadecimal. */
  readonly number: string;
  readonly hash: string;
  readonly parentHash: string;
  readonly transactions: readonly ChainTransaction[];
}

type PreparedOrder = Awaited<ReturnType<typeof prepareOrder>>;

/**
 * What all runs share: a market on a chain that can be reorganized, with a registered provider and many users with
 * money, a storage, a dataset in it, and the archive that every training run produces. Each run starts from the same
 * snapshot of the chain.
 */
export class FaultFixture extends MarketFixture {
  declare readonly chain: Anvil;
  readonly catalogue: Catalogue;
  readonly encryptionKey: EncryptionKey;
  readonly #storage: FastifyInstance;
  readonly #orders = new Map<string, PreparedOrder>();
  service!: Service;
  genesis!: string;
  expectedArchive!: { sha256: string; size: number };
  #dataset!: Root;
  #snapshot = "";
  #firstBlock = 0;
  #runs = 0;
  /** Neuron of everybody in the Ledger when the run began, by address. */
  readonly totals = new Map<string, bigint>();
  /** Neuron of the provider that are reserved as stake and bonds when the run begins. */
  bonds = 0n;
  /** Neuron in the Ledger that belong to no account when the run begins: burned ones. */
  nobodys = 0n;
  /** Daemons in their own processes; those that a run leaves are ended with it. */
  readonly daemons = new Set<{ end(signal: NodeJS.Signals): Promise<unknown> }>();
  /** The chain was reorganized in this run. */
  isReorganized = false;

  private constructor(
    anvil: Anvil,
    folder: string,
    storage: FastifyInstance,
    catalogue: Catalogue,
  ) {
    const { port } = storage.server.address() as AddressInfo;
    super(anvil, `http://127.0.0.1:${port}`, folder);
    this.#storage = storage;
    this.encryptionKey = EncryptionKey.derive(getBytes(anvil.accounts[1]!.privateKey));
    this.catalogue = catalogue;
  }

  static override async open(): Promise<FaultFixture> {
    // In memory if possible: what a killed process wrote persists as on a disk, and a run is faster.
    const folder = makeFolder(existsSync("/dev/shm") ? "/dev/shm" : tmpdir());
    const limits = {
      totalBytes: 2 ** 40,
      uploadBytes: 2 ** 40,
      freeDiskBytes: 0,
      abandonedAfterMs: 2 ** 40,
    };
    const storage = await createStorageServer({ directory: join(folder, "blobs"), limits });
    await storage.listen({ host: "127.0.0.1", port: 0 });
    const catalogue = await makeCatalogue(join(folder, "models"));
    const market = new FaultFixture(await Anvil.start(), folder, storage, catalogue);
    await market.#setUp();
    return market;
  }

  /** Root of the dataset that all orders name. */
  get dataset(): Root {
    return this.#dataset;
  }

  /** The wallet whose state the provider's daemon keeps. */
  get identity(): Identity {
    return {
      chainId: this.chain.deployment.chainId,
      genesis: this.genesis,
      serving: this.chain.deployment.serving.address,
      provider: this.service.provider,
    };
  }

  /** Restores the common start of all runs. @returns an empty folder for the run. */
  async begin(): Promise<string> {
    await this.chain.revert(this.#snapshot);
    this.#snapshot = await this.chain.snapshot();
    return this.#newRun();
  }

  /** Starts a run where the last one ended: this node loses its snapshots on a reorganization. */
  async goOn(): Promise<string> {
    this.#firstBlock = await this.chain.rpc.getBlockNumber();
    await this.chain.mine(BEDROCK);
    await this.#countMoney();
    return this.#newRun();
  }

  #newRun(): string {
    this.isReorganized = false;
    const directory = join(this.folder, `run-${++this.#runs}`);
    mkdirSync(directory);
    return directory;
  }

  async #countMoney(): Promise<void> {
    const client = this.reader;
    for (let account = 1; account <= USERS; account++) {
      const { address } = this.chain.accounts[account]!;
      const { total, subAccounts } = await getAccount(client, { account: address });
      this.totals.set(address, total);
      if (account === 1) this.bonds = subAccounts.reduce((sum, sub) => sum + sub.reserved, 0n);
    }
    const held = [...this.totals.values()].reduce((sum, total) => sum + total, 0n);
    this.nobodys = (await client.provider.getBalance(client.ledgerAddress)) - held;
  }

  override client(index: number, elsewhere: Partial<ClientOptions> = {}): Account {
    const { address, privateKey } = this.chain.accounts[index]!;
    // The provider's daemon begins with this run; users look up what is older.
    const blockNumber = index === 1 ? this.#firstBlock : 0;
    const deployment = { ...this.chain.deployment, blockNumber };
    const client = this.connect({ deployment, privateKey, pollingInterval: 5, ...elsewhere });
    return { ...client, address };
  }

  /**
   * The order of a user's next task. All runs begin at the same state, so that it is the same each time and is computed
   * once.
   */
  async prepare(user: Account, model = MODEL): Promise<PreparedOrder> {
    const { provider } = this.service;
    const nonce = await user.serving.taskCount(user.address, provider);
    const key = `${user.address}/${nonce}/${model}`;
    const known = this.#orders.get(key);
    if (known) return known;
    const stub = this.#model(model);
    const work = { model: stub, config: {}, dataSize: BigInt(ROWS.length) };
    const { units, fee: maxFee } = quote({ service: this.service, ...work });
    const prepared = await prepareOrder(user, {
      service: this.service,
      model: stub,
      datasetRoot: this.#dataset,
      units,
      maxFee,
      config: {},
      validFor: 10 * 365 * 86_400, // it is placed again in later runs
    });
    this.#orders.set(key, prepared);
    return prepared;
  }

  /**
   * The blocks since the run began, newest first. Each is found as the parent of the next: after a reorganization this
   * node may return a block of its old chain for a number, and sometimes it has lost one altogether.
   */
  async blocksOfRun(): Promise<readonly ChainBlock[]> {
    const { rpc } = this.chain;
    const at = (number: number): Promise<ChainBlock | null> =>
      rpc.send("eth_getBlockByNumber", [`0x${number.toString(16)}`, true]);
    const blocks: ChainBlock[] = [];
    let number = await rpc.getBlockNumber();
    for (let block = await at(number); number >= this.#firstBlock; number--) {
      if (block) blocks.push(block);
      const parent = block && (await rpc.send("eth_getBlockByHash", [block.parentHash, true]));
      block = parent ?? (await at(number - 1));
    }
    return blocks;
  }

  #model(name: string): Model {
    const stub = this.catalogue.models[0]!;
    return name === stub.name ? stub : { ...stub, name, hash: hashText(name) };
  }

  override async close(): Promise<void> {
    await this.#storage.close();
    await super.close();
  }

  async #setUp(): Promise<void> {
    this.genesis = (await this.chain.rpc.getBlock(0))!.hash!;
    const terms = {
      catalogueHash: this.catalogue.hash,
      encryptionKey: this.encryptionKey.publicKey,
      pricePerUnit: 10n ** 9n,
      maxTrainingTime: 3 * 3_600,
      bondBps: 10_000,
      unacknowledgedBps: 1_000,
      openTasksPerUser: 1_000,
    };
    await this.register(terms, 100n * OG);
    for (let account = 2; account <= USERS; account++) {
      const user = this.client(account);
      await this.openAccount(user, OG);
    }
    this.service = await getService(this.reader, { provider: this.provider.address });
    await this.#store();
    await this.#countMoney();
    this.#firstBlock = await this.chain.rpc.getBlockNumber();
    this.#snapshot = await this.chain.snapshot();
  }

  async #store(): Promise<void> {
    const dataset = join(this.folder, "dataset.jsonl");
    writeFileSync(dataset, ROWS);
    this.#dataset = (await upload(this.storageUrl, dataset)).root;
    const output = join(this.folder, "expected");
    mkdirSync(output);
    for (const [name, bytes] of Object.entries(stubOutput()))
      writeFileSync(join(output, name), bytes);
    this.expectedArchive = await packDirectory(output, join(this.folder, "expected.zip"), MODEL);
  }
}

const MODEL = "stub";

/** One fake model, in the layout of a real one. */
function makeCatalogue(models: string): Promise<Catalogue> {
  const directory = join(models, MODEL);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "config.json"), '{"architectures":["StubForCausalLM"]}');
  writeFileSync(join(directory, "tokenizer.json"), "{}");
  writeFileSync(join(directory, "tokenizer_config.json"), "{}");
  writeFileSync(join(directory, "anneal.json"), JSON.stringify({ rates: RATES }));
  return Catalogue.read(models, {
    maxDatasetBytes: 2 ** 30,
    log: pino({ level: "silent" }),
  });
}
