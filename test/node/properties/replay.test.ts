import { expect } from "chai";
import { Contract, hexlify, JsonRpcProvider, Wallet, ZeroHash } from "ethers";
import fc from "fast-check";
import { after, before, describe, it } from "mocha";
import { UNLIMITED } from "../../../sdk/account/calls.ts";
import { blindRoot } from "../../../sdk/exchange/blind.ts";
import { buildMisbehaviourProof } from "../../../sdk/exchange/misbehaviourProof.ts";
import { keyCommit } from "../../../sdk/exchange/segmentKey.ts";
import { hashChunks } from "../../../sdk/storage/tree/keccak.ts";
import { merklePath } from "../../../sdk/storage/tree/merkle.ts";
import { rootFromSegments } from "../../../sdk/storage/tree/RootHasher.ts";
import { segmentRoot } from "../../../sdk/storage/tree/segment.ts";
import { startLocalChain } from "../../helpers/localChain.ts";
import type { TestChain } from "../../helpers/TestChain.ts";
import { plain, Replay } from "./Replay.ts";

const OG = 10n ** 18n;
const U = new Uint8Array(32).fill(5);
const S = new Uint8Array(32).fill(9);
const PUBLIC_KEY = `0x02${"11".repeat(32)}`;

/** A model of one page; its content root does not match its decryption, so that every delivery can be disputed. */
const SIZE = 4_096;
const PAGE = new Uint8Array(SIZE);
const SEGMENT_ROOTS = segmentRoot(PAGE, 0, SIZE);
const BLIND_ROOT = hexlify(blindRoot(U));
/** Every chunk is zeros, and has the same path. */
const CHUNK_PATH = merklePath(hashChunks(PAGE, SIZE / 256), 0).map(({ sibling }) =>
  hexlify(sibling),
);
const CONTENT_ROOT = `0x${"12".repeat(32)}`;

/** A step of a history: the action, the actor, and a number that determines everything else. */
interface Step {
  readonly verb: Verb;
  readonly actor: number;
  readonly chance: number;
}

const MONEY = [
  ...["deposit", "depositFor", "openAccount", "withdraw", "authorize", "fund"],
  ...["requestReturn", "claimReturn", "retrieve", "withdrawTo", "transfer"],
] as const;
const OFFERS = ["registerService", "updateService", "removeService"] as const;
const ENDS = [
  ...["cancelTask", "failTask", "settleCancelled", "expire", "lapse"],
  ...["finalize", "confirm", "proveMisbehaviour"],
] as const;
type Verb =
  | (typeof MONEY | typeof OFFERS | typeof ENDS)[number]
  | "createTask"
  | "advance"
  | "wait";

const step = fc.record<Step>({
  verb: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom<Verb>("createTask") },
    { weight: 10, arbitrary: fc.constantFrom<Verb>("advance") },
    { weight: 2, arbitrary: fc.constantFrom<Verb>("wait") },
    { weight: 6, arbitrary: fc.constantFrom<Verb>(...MONEY) },
    { weight: 1, arbitrary: fc.constantFrom<Verb>(...OFFERS) },
    { weight: 6, arbitrary: fc.constantFrom<Verb>(...ENDS) },
  ),
  actor: fc.nat(4),
  chance: fc.nat(2 ** 30),
});

describe("P23: events alone rebuild every balance and every state", () => {
  let chain: TestChain;
  let rpc: JsonRpcProvider;
  let ledger: Contract;
  let serving: Contract;
  let actors: string[];
  let providers: string[];
  /** Works for both providers. */
  let operator: string;
  let fresh: string;
  let proof: unknown;

  before(async () => {
    chain = await startLocalChain();
    rpc = new JsonRpcProvider(chain.rpcUrl, 31337, {
      staticNetwork: true,
      batchMaxCount: 1,
      cacheTimeout: -1,
    });
    const { deployment } = chain;
    ledger = new Contract(deployment.ledger.address, deployment.ledger.abi, rpc);
    serving = new Contract(deployment.serving.address, deployment.serving.abi, rpc);
    actors = chain.accounts.slice(1, 6).map(({ address }) => address);
    providers = actors.slice(3);
    operator = chain.accounts[6]!.address;
    for (const actor of actors)
      await act(actor, ledger, "openAccount", [serving.target, UNLIMITED], 10n * OG);
    for (const provider of providers) await act(provider, serving, "registerService", [terms(1)]);
    const file = { segmentRoots: SEGMENT_ROOTS, readSegment: async () => PAGE };
    const about = { u: U, s: S, size: SIZE, contentRoot: CONTENT_ROOT, page: 0 };
    proof = await buildMisbehaviourProof(file, about);
    fresh = await chain.snapshot();
  });
  after(async () => {
    rpc.destroy();
    await chain.close();
  });

  /** Signed by the node. @returns whether it went through. */
  async function act(
    from: string,
    contract: Contract,
    verb: string,
    args: unknown[],
    value = 0n,
  ): Promise<boolean> {
    const data = contract.interface.encodeFunctionData(verb, args);
    const transaction = { from, to: contract.target, data, value: `0x${value.toString(16)}` };
    try {
      await rpc.send("eth_sendTransaction", [{ ...transaction, gas: "0xf42400" }]);
      return true;
    } catch (error) {
      if (/revert/.test(String(error))) return false;
      throw error;
    }
  }

  const terms = (chance: number) => ({
    pricePerUnit: BigInt(1 + (chance % 10_007)) * 10n ** 9n,
    minimumUnits: 1 + (chance % 100),
    unit: chance % 2,
    maxTrainingTime: 60 + (chance % 600),
    bondBps: 10_000 + (chance % 10_001),
    unacknowledgedBps: chance % 3_001,
    openTasksPerUser: 1 + (chance % 3),
    accepting: chance % 8 !== 7,
    operator,
    catalogueHash: `0x${(chance + 1).toString(16).padStart(64, "0")}`,
    encryptionKey: PUBLIC_KEY,
    url: "http://127.0.0.1:1",
  });

  async function newestTasks(): Promise<string[]> {
    const logs = await serving.queryFilter("TaskCreated");
    return logs.slice(-4).map((log) => (log as unknown as { args: { id: string } }).args.id);
  }

  async function play({ verb, actor, chance }: Step): Promise<void> {
    const who = actors[actor]!;
    const other = actors[chance % 5]!;
    const provider = providers[chance % 2]!;
    const amount = BigInt(1 + (chance % 1_000)) * 10n ** 15n;
    const at = serving.target;
    switch (verb) {
      case "deposit":
        return void (await act(who, ledger, verb, [], amount));
      case "depositFor":
        return void (await act(who, ledger, verb, [other], amount));
      case "openAccount":
        return void (await act(who, ledger, verb, [at, UNLIMITED], amount));
      case "withdraw":
        return void (await act(who, ledger, verb, [amount]));
      case "withdrawTo":
        return void (await act(who, ledger, verb, [other, amount]));
      case "transfer":
        return void (await act(who, ledger, verb, [
          at,
          provider,
          providers[chance % 2],
          amount / 100n,
        ]));
      case "authorize":
        return void (await act(who, ledger, verb, [at, chance % 4 === 0 ? amount : UNLIMITED]));
      case "fund":
        return void (await act(who, ledger, verb, [at, provider, amount]));
      case "requestReturn":
        return void (await act(who, ledger, verb, [at, provider, amount / 100n]));
      case "claimReturn":
        return void (await act(who, ledger, verb, [at, provider]));
      case "retrieve":
        return void (await act(who, ledger, verb, [at, providers]));
      case "registerService":
      case "updateService":
        return void (await act(provider, serving, verb, [terms(chance)]));
      case "removeService":
        return void (await act(provider, serving, verb, []));
      case "createTask":
        return void (await createTask(who, provider, chance));
      case "wait":
        return chain.increaseTime(1 + (chance % 900));
      default: {
        const tasks = await newestTasks();
        const id = tasks[chance % tasks.length];
        if (id) await actOnTask(id, verb, who, chance);
      }
    }
  }

  async function createTask(user: string, provider: string, chance: number): Promise<void> {
    const order = {
      provider,
      nonce: await serving.getFunction("taskCount")(user, provider),
      units: 100 + (chance % 50_021),
      offer: await serving
        .getFunction("serviceOf")(provider)
        .then(
          ({ offer }) => offer,
          () => 0n,
        ),
      validUntil: 2 ** 40 - 1,
      maxFee: OG,
      model: ZeroHash,
      datasetRoot: ZeroHash,
      validationRoot: ZeroHash,
      blindRoot: BLIND_ROOT,
      userKey: PUBLIC_KEY,
      config: "0x7b7d",
    };
    await act(user, serving, "createTask", [order]);
  }

  async function actOnTask(id: string, verb: Verb, who: string, chance: number): Promise<void> {
    const { user, state, fee } = await serving.getFunction("taskOf")(id);
    switch (verb) {
      case "advance":
        return advance(id, { user, fee, state: Number(state), chance });
      case "failTask":
        return void (await act(operator, serving, verb, [id, chance % 10]));
      case "settleCancelled": {
        const wallet = chain.accounts.find(({ address }) => address === user)!;
        const agreed = (BigInt(chance % 1_001) * (fee as bigint)) / 1_000n;
        const signature = await consent(wallet.privateKey, id, agreed);
        return void (await act(operator, serving, verb, [id, agreed, 2 ** 39, signature]));
      }
      case "finalize":
        return void (await act(who, serving, verb, [[id, id]]));
      case "proveMisbehaviour":
        return void (await act(user, serving, verb, [id, proof]));
      case "cancelTask":
      case "confirm":
        return void (await act(user, serving, verb, [id]));
      default:
        return void (await act(who, serving, verb, [id]));
    }
  }

  /** The regular next step of a task; every other time, the model is corrupt and is disputed. */
  async function advance(
    id: string,
    { user, fee, state, chance }: { user: string; fee: bigint; state: number; chance: number },
  ): Promise<void> {
    const root = rootFromSegments(SEGMENT_ROOTS, SIZE);
    const commitments = { contentRoot: CONTENT_ROOT, keyCommit: hexlify(keyCommit(S)) };
    const charged = chance % 3 === 0 ? (fee * BigInt(chance % 101)) / 100n : fee;
    const delivery = { id, size: SIZE, fee: charged, root, ...commitments, receiptRoot: ZeroHash };
    const onTask = (who: string, verb: string, ...args: unknown[]) =>
      act(who, serving, verb, [id, ...args]);
    const steps: Record<number, () => Promise<boolean>> = {
      1: () => onTask(operator, "acceptTask"),
      2: () => act(operator, serving, "deliver", [delivery]),
      3: () =>
        chance % 4 === 0
          ? onTask(user, "demandChunk", chance % 16)
          : onTask(user, "acknowledge", root),
      4: () => onTask(operator, "answerChunk", PAGE.slice(0, 256), CHUNK_PATH),
      5: () => onTask(operator, "reveal", hexlify(S), BLIND_ROOT, CONTENT_ROOT),
      6: () =>
        chance % 2 === 0 ? onTask(user, "confirm") : onTask(user, "proveMisbehaviour", proof),
      11: () => onTask(user, "acknowledge", root),
    };
    await steps[state]?.();
  }

  async function consent(privateKey: string, id: string, amount: bigint): Promise<string> {
    const domain = {
      name: "Anneal FineTuningServing",
      version: "1",
      chainId: 31337,
      verifyingContract: String(serving.target),
    };
    const words = [
      { name: "id", type: "bytes16" },
      { name: "amount", type: "uint256" },
      { name: "deadline", type: "uint256" },
    ];
    const types = { SettleCancelled: words };
    return new Wallet(privateKey).signTypedData(domain, types, { id, amount, deadline: 2 ** 39 });
  }

  async function replay(seen: Set<string>): Promise<Replay> {
    const replayed = new Replay();
    const address = [ledger.target, serving.target] as string[];
    for (const log of await rpc.getLogs({ address: address as never, fromBlock: 0 })) {
      const contract = log.address === ledger.target ? ledger : serving;
      const event = contract.interface.parseLog(log)!;
      const block = (await rpc.getBlock(log.blockNumber))!;
      replayed.apply(event, {
        number: BigInt(block.number),
        timestamp: BigInt(block.timestamp),
      });
      seen.add(event.name);
    }
    return replayed;
  }

  async function compare(replayed: Replay): Promise<void> {
    const ask = (contract: Contract, view: string, ...args: unknown[]) =>
      contract.getFunction(view)(...args);
    const at = String(serving.target);
    expect(replayed.burned).to.equal(await ask(ledger, "burned"));
    for (const actor of actors) {
      const { available, locked } = replayed.account(actor);
      expect([available, locked]).to.deep.equal(plain(await ask(ledger, "accountOf", actor)));
      const allowance = replayed.allowances.get(`${actor} ${at}`);
      expect(allowance).to.equal(await ask(ledger, "allowanceOf", actor, at));
      const used = plain(await ask(ledger, "providersOf", actor, at, 0, 100));
      expect(replayed.providers.get(`${actor} ${at}`) ?? []).to.deep.equal(used);
      for (const provider of providers) {
        const { free, reserved, requests } = replayed.subAccount(actor, at, provider);
        const returning = requests.reduce((sum, { amount }) => sum + amount, 0n);
        const sub = plain(await ask(ledger, "subAccountOf", actor, at, provider));
        expect([free + reserved + returning, reserved, returning]).to.deep.equal(sub);
        const queue = plain(await ask(ledger, "returnRequestsOf", actor, at, provider));
        expect(requests.map(({ amount, unlocksAt }) => [amount, unlocksAt])).to.deep.equal(queue);
        const tasks = [...replayed.tasks.values()].filter(
          (task) => task.user === actor && task.provider === provider,
        );
        const open = tasks.filter(({ state }) => state >= 1n && state <= 6n);
        expect(BigInt(tasks.length)).to.equal(await ask(serving, "taskCount", actor, provider));
        expect(BigInt(open.length)).to.equal(await ask(serving, "openTaskCount", actor, provider));
      }
    }
    for (const [id, task] of replayed.tasks) {
      expect(Object.values(task)).to.deep.equal(plain(await ask(serving, "taskOf", id)));
    }
    const listed = plain(await ask(serving, "services", 0, 100));
    const expected = providers.flatMap((provider) => {
      const service = replayed.services.get(provider);
      const counters = Object.values(replayed.countersOf(provider));
      return service
        ? [
            [
              provider,
              service.stake,
              service.offer,
              service.terms,
              counters,
              replayed.earned.get(provider) ?? 0n,
              replayed.failedAt.get(provider) ?? 0n,
            ],
          ]
        : [];
    });
    expect(expected).to.deep.equal(listed);
  }

  it("after random histories of all verbs", async () => {
    const seen = new Set<string>();
    const history = fc.array(step, { minLength: 120, maxLength: 160, size: "max" });
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        await chain.revert(fresh);
        fresh = await chain.snapshot();
        for (const each of steps) await play(each);
        await compare(await replay(seen));
      }),
      { numRuns: 6, seed: 23, endOnFailure: true },
    );
    const events = [ledger, serving].flatMap(({ interface: { fragments } }) =>
      fragments.flatMap((f) =>
        f.type === "event" ? [(f as unknown as { name: string }).name] : [],
      ),
    );
    const others = events.filter((name) => !seen.has(name) && name !== "EIP712DomainChanged");
    expect(others, "events that no history has shown").to.deep.equal([]);
  });
});
