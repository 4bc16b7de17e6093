import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getBytes, hexlify, toBeHex, zeroPadValue } from "ethers";
import { artifacts } from "hardhat";
import {
  claimReturn,
  deposit,
  fund,
  openAccount,
  requestReturn,
  retrieve,
  withdraw,
} from "../../sdk/account/calls.ts";
import type { Client } from "../../sdk/client.ts";
import {
  acknowledge,
  answerChunk,
  confirm,
  deliver,
  demandChunk,
  expire,
  finalize,
  lapse,
  proveMisbehaviour,
  reveal,
} from "../../sdk/deliverable/calls.ts";
import { getDelivery } from "../../sdk/deliverable/getDelivery.ts";
import { sharedBlind } from "../../sdk/exchange/blind.ts";
import { buildChunkProof } from "../../sdk/exchange/chunkProof.ts";
import { geometryOf, SEGMENT_PAGES } from "../../sdk/exchange/geometry.ts";
import { buildMisbehaviourProof } from "../../sdk/exchange/misbehaviourProof.ts";
import { sealFile } from "../../sdk/exchange/seal.ts";
import { keyCommit } from "../../sdk/exchange/segmentKey.ts";
import type { Root, TaskId } from "../../sdk/ids.ts";
import { registerService, updateService } from "../../sdk/service/calls.ts";
import { getService } from "../../sdk/service/getService.ts";
import { rootOfFile } from "../../sdk/storage/root.ts";
import { SEGMENT_BYTES } from "../../sdk/storage/tree/segment.ts";
import {
  acceptTask,
  cancelTask,
  createTask,
  failTask,
  settleCancelled,
} from "../../sdk/task/calls.ts";
import { consentToSettlement } from "../../sdk/task/consentToSettlement.ts";
import type { Delivery } from "../../sdk/task/Delivery.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { getTaskOrder } from "../../sdk/task/getTaskOrder.ts";
import { prepareOrder } from "../../sdk/task/prepareOrder.ts";
import type { Hyperparameters } from "../../sdk/training/Hyperparameters.ts";
import type { Call } from "../../sdk/transaction/Call.ts";
import { send } from "../../sdk/transaction/send.ts";
import {
  DATASET_ROOT,
  ENCRYPTION_SECRET,
  MarketFixture,
  MODEL,
} from "../../test/helpers/MarketFixture.ts";
import { spoilPage } from "../../test/helpers/spoilPage.ts";

/** Gas that each verb used in a real transaction, and the size of the contracts. The same on every run. */
export interface GasReport {
  /** Gas by verb and situation. */
  readonly verbs: Record<string, number>;
  /** Sums of related gas costs. */
  readonly sums: {
    /** deliver, acknowledge, reveal, confirm. */
    readonly deliverToPaid: number;
    /** The same with createTask and acceptTask before it. */
    readonly createToPaid: number;
    /** demandChunk and answerChunk, for a model of 64 MiB. */
    readonly demand: number;
    /** The most expensive proveMisbehaviour. */
    readonly dispute: number;
    /** All contracts for a new chain. */
    readonly deployment: number;
  };
  /** Bytes of runtime code, by contract. */
  readonly sizes: Record<string, number>;
}

const OG = 10n ** 18n;
const FEE = 10n ** 9n; // of the market's order
const KEY = new Uint8Array(32).fill(9);
const PROVIDERS = 20;

/** Sizes of models with a wrong page, in bytes. The largest has 16,384 pages and three levels. */
const DISPUTED: readonly (readonly [verb: string, size: number])[] = [
  ["proveMisbehaviour: 4 KiB", 4_096],
  ["proveMisbehaviour: 1 MiB", 2 ** 20],
  ["proveMisbehaviour: 64 MiB", 2 ** 26],
];

/** A configuration of 300 bytes, as an experienced user would set it. */
const CONFIG: Hyperparameters = {
  n_epochs: 3,
  n_evals: 4,
  batch_size: 16,
  learning_rate: 0.0002,
  lr_scheduler_type: "cosine",
  min_lr_ratio: 0.1,
  warmup_ratio: 0.03,
  max_grad_norm: 0.5,
  weight_decay: 0.01,
  lora: true,
  lora_r: 16,
  lora_alpha: 32,
  lora_dropout: 0.05,
  gradient_accumulation_steps: 4,
  max_seq_length: 2048,
  seed: 1234,
};

/** Runs accounts, services and every way a task can end on a local chain. The contracts must be built. */
export async function measureGas(): Promise<GasReport> {
  const market = await MarketFixture.open();
  try {
    return await new Session(market).run();
  } finally {
    await market.close();
  }
}

class Session {
  private readonly market: MarketFixture;
  private readonly verbs: Record<string, number> = {};

  constructor(market: MarketFixture) {
    this.market = market;
  }

  async run(): Promise<GasReport> {
    const deployment = await this.deploymentGas(); // first: it reads the transactions of MarketFixture.open
    await this.playAccounts();
    await this.playService();
    await this.playTask();
    for (const [name, size] of DISPUTED) await this.playDispute(name, size);
    await this.playDemand();
    await this.playOtherEnds(); // last: it leaves a task open
    const { verbs } = this;
    const sum = (...names: string[]) => names.reduce((total, name) => total + verbs[name]!, 0);
    const deliverToPaid = sum("deliver", "acknowledge", "reveal", "confirm");
    return {
      verbs,
      sums: {
        deliverToPaid,
        createToPaid: deliverToPaid + sum("createTask", "acceptTask"),
        demand: sum("demandChunk", "answerChunk: 64 MiB"),
        dispute: Math.max(...DISPUTED.map(([name]) => verbs[name]!)),
        deployment,
      },
      sizes: await contractSizes(),
    };
  }

  /** Sends a call and keeps its gas under `name`. */
  private async measure(name: string, client: Client, call: Call): Promise<void> {
    const { gasUsed } = await send(client, call);
    this.verbs[name] = Number(gasUsed);
  }

  private async deploymentGas(): Promise<number> {
    const { provider } = this.market.reader;
    let total = 0n;
    for (let number = await provider.getBlockNumber(); number > 0; number--) {
      const { transactions } = (await provider.getBlock(number))!;
      for (const hash of transactions) {
        const { contractAddress, gasUsed } = (await provider.getTransactionReceipt(hash))!;
        if (contractAddress) total += gasUsed;
      }
    }
    return Number(total);
  }

  private async playAccounts(): Promise<void> {
    const { stranger, chain } = this.market;
    const providers = Array.from({ length: PROVIDERS }, (_, i) =>
      zeroPadValue(toBeHex(0x5eed_0000_0000 + i), 20),
    );
    const [provider] = providers as [string];
    await this.measure(
      "openAccount",
      stranger,
      openAccount(stranger, { amount: OG, allowance: OG }),
    );
    await this.measure("deposit", stranger, deposit(stranger, { amount: OG }));
    await this.measure("fund: new provider", stranger, fund(stranger, { provider, amount: FEE }));
    await this.measure("fund: top-up", stranger, fund(stranger, { provider, amount: FEE }));
    await this.measure(
      "requestReturn",
      stranger,
      requestReturn(stranger, { provider, amount: FEE }),
    );
    await chain.increaseTime(chain.parameters.lockPeriod);
    await this.measure("claimReturn", stranger, claimReturn(stranger, { provider }));
    await this.measure("withdraw", stranger, withdraw(stranger, { amount: OG }));
    for (const provider of providers.slice(1)) {
      await send(stranger, fund(stranger, { provider, amount: FEE }));
    }
    await this.measure("retrieve: 20 requests", stranger, retrieve(stranger, { providers }));
    await chain.increaseTime(chain.parameters.lockPeriod);
    await this.measure("retrieve: 20 claims", stranger, retrieve(stranger, { providers }));
  }

  private async playService(): Promise<void> {
    const { stranger, terms } = this.market;
    await this.measure("registerService", stranger, registerService(stranger, { terms }));
    const dearer = { ...terms, pricePerUnit: 2n * terms.pricePerUnit };
    await this.measure("updateService", stranger, updateService(stranger, { terms: dearer }));
  }

  /** A user's second task at a provider: all storage slots are in use, and the sub-account is funded. */
  private async playTask(): Promise<void> {
    const { user, provider } = this.market;
    const first = await this.order("createTask: first at a provider");
    await this.toRevealed(first);
    await send(user, confirm(user, { id: first }));
    const dropped = await this.order("createTask: fee from the main account");
    await this.measure("cancelTask", user, cancelTask(user, { id: dropped }));

    const id = await this.order("createTask"); // the fee is in the sub-account since the cancellation
    await this.measure("acceptTask", provider, acceptTask(provider, { id }));
    const delivery = deliveryOf(id);
    await this.measure("deliver", provider, deliver(provider, { delivery }));
    await this.measure("acknowledge", user, acknowledge(user, { id, root: delivery.root }));
    await this.measure("reveal", provider, await this.reveal(id));
    await this.measure("confirm", user, confirm(user, { id }));
  }

  private async playOtherEnds(): Promise<void> {
    const { user, provider, stranger, chain } = this.market;
    const { ackPeriod, revealPeriod, disputePeriod } = chain.parameters;
    const trainingTime = this.market.terms.maxTrainingTime;

    let id = await this.order();
    await this.measure(
      "failTask: created",
      provider,
      failTask(provider, { id, reason: "DatasetInvalid" }),
    );
    id = await this.accepted();
    await this.measure(
      "failTask: accepted",
      provider,
      failTask(provider, { id, reason: "TrainingError" }),
    );
    id = await this.accepted();
    const deadline = 2 ** 39; // far beyond every deadline: the signature is the same on every run
    const consent = await consentToSettlement(user, { id, amount: FEE / 3n, deadline });
    await this.measure("settleCancelled", provider, settleCancelled(provider, consent));

    id = await this.accepted();
    await chain.increaseTime(trainingTime + 1);
    await this.measure("expire: training", stranger, expire(stranger, { id }));
    id = await this.delivered();
    const { root } = deliveryOf(id);
    await send(user, acknowledge(user, { id, root }));
    await chain.increaseTime(revealPeriod + 1n);
    await this.measure("expire: reveal", stranger, expire(stranger, { id }));

    id = await this.order();
    await this.toRevealed(id);
    await chain.increaseTime(disputePeriod + 1n);
    await this.measure("finalize", stranger, finalize(stranger, { ids: [id] }));

    id = await this.delivered();
    await chain.increaseTime(ackPeriod + 1n);
    await this.measure("lapse", stranger, lapse(stranger, { id }));
    await this.measure("acknowledge: late", user, acknowledge(user, { id, root }));
  }

  /** One bit of the model differs from the commitment; its page and the entry are in different segments if possible. */
  private async playDispute(name: string, size: number): Promise<void> {
    const { user, provider } = this.market;
    const page = size > SEGMENT_BYTES ? SEGMENT_PAGES : 0;
    const { id, file, u, root, contentRoot } = await this.deliverSealed(size, (path) =>
      spoilPage(path, page),
    );
    await send(user, acknowledge(user, { id, root }));
    await send(provider, await this.reveal(id));
    const proof = await buildMisbehaviourProof(file, { u, s: KEY, size, contentRoot, page });
    await this.measure(name, user, proveMisbehaviour(user, { id, proof }));
    // A slashed provider accepts nothing until it has updated its terms.
    await send(provider, updateService(provider, { terms: this.market.terms }));
  }

  private async playDemand(): Promise<void> {
    const { user, provider } = this.market;
    const size = 2 ** 26;
    const index = 123_456;
    const { id, file, root } = await this.deliverSealed(size);
    await this.measure("demandChunk", user, demandChunk(user, { id, index }));
    const { encryptedSize } = geometryOf(size);
    const proof = await buildChunkProof(file, { encryptedSize, index });
    await this.measure("answerChunk: 64 MiB", provider, answerChunk(provider, { id, ...proof }));
    await send(user, acknowledge(user, { id, root }));
    await send(provider, await this.reveal(id));
    await send(user, confirm(user, { id }));
  }

  /** Delivers a real container; `spoil` may change the sealed file before, and returns its root. */
  private async deliverSealed(size: number, spoil?: (path: string) => Promise<Root>) {
    const { provider } = this.market;
    const id = await this.accepted();
    const { userKey } = await getTaskOrder(provider, await getTask(provider, { id }));
    const u = sharedBlind(ENCRYPTION_SECRET, getBytes(userKey));
    const directory = await mkdtemp(join(tmpdir(), "anneal-gas-"));
    try {
      const [plain, sealed] = [join(directory, "plain"), join(directory, "sealed")];
      await writeFile(plain, Buffer.alloc(size, "model"));
      const { contentRoot } = await sealFile(plain, sealed, { taskId: id, u, s: KEY });
      await spoil?.(sealed);
      const { root, segmentRoots } = await rootOfFile(sealed);
      const delivery = { ...deliveryOf(id), size, root, contentRoot };
      await send(provider, deliver(provider, { delivery }));
      const bytes = await readFile(sealed);
      const readSegment = async (index: number) =>
        bytes.subarray(index * SEGMENT_BYTES, (index + 1) * SEGMENT_BYTES);
      return { id, u, root, contentRoot, file: { segmentRoots, readSegment } };
    } finally {
      await rm(directory, { recursive: true });
    }
  }

  private async order(name?: string): Promise<TaskId> {
    const { user, provider } = this.market;
    const { id, order } = await prepareOrder(user, {
      service: await getService(user, { provider: provider.address }),
      model: MODEL,
      datasetRoot: DATASET_ROOT,
      units: 1_000_000n,
      maxFee: FEE,
      config: CONFIG,
    });
    // Not the time: its zero bytes would make the cost differ from run to run.
    const call = createTask(user, { order: { ...order, validUntil: 2 ** 40 - 1 } });
    if (name) await this.measure(name, user, call);
    else await send(user, call);
    return id;
  }

  private async reveal(id: TaskId): Promise<Call> {
    const { provider } = this.market;
    const { blindRoot, contentRoot } = (await getDelivery(
      provider,
      await getTask(provider, { id }),
    ))!;
    return reveal(provider, { id, key: hexlify(KEY), blindRoot, contentRoot });
  }

  private async accepted(): Promise<TaskId> {
    const { provider } = this.market;
    const id = await this.order();
    await send(provider, acceptTask(provider, { id }));
    return id;
  }

  private async delivered(): Promise<TaskId> {
    const { provider } = this.market;
    const id = await this.accepted();
    await send(provider, deliver(provider, { delivery: deliveryOf(id) }));
    return id;
  }

  private async toRevealed(id: TaskId): Promise<void> {
    const { user, provider } = this.market;
    const delivery = deliveryOf(id);
    await send(provider, acceptTask(provider, { id }));
    await send(provider, deliver(provider, { delivery }));
    await send(user, acknowledge(user, { id, root: delivery.root }));
    await send(provider, await this.reveal(id));
  }
}

/** A delivery without a file. */
function deliveryOf(id: TaskId): Delivery {
  return {
    id,
    size: 123_456_789,
    fee: FEE,
    root: hexlify(new Uint8Array(32).fill(1)) as Root,
    contentRoot: hexlify(new Uint8Array(32).fill(2)),
    keyCommit: hexlify(keyCommit(KEY)),
    receiptRoot: hexlify(new Uint8Array(32).fill(3)),
  };
}

/** Size of the runtime code of every deployed contract; inlined libraries have almost none. */
async function contractSizes(): Promise<Record<string, number>> {
  const sizes: Record<string, number> = {};
  for (const name of await artifacts.getAllFullyQualifiedNames()) {
    if (!/^contracts\/[^/]+\.sol:/.test(name)) continue;
    const { contractName, deployedBytecode } = await artifacts.readArtifact(name);
    const size = (deployedBytecode.length - 2) / 2;
    if (size > 0) sizes[contractName] = size;
  }
  return sizes;
}
