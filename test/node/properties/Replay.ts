import { AbiCoder, keccak256, type LogDescription, ZeroAddress, ZeroHash } from "ethers";
import { UNLIMITED } from "../../../sdk/account/calls.ts";

/** The sums of one account, as the Ledger's views return them. */
export interface AccountSums {
  available: bigint;
  locked: bigint;
}

interface SubAccountSums {
  free: bigint;
  reserved: bigint;
  /** Oldest first. */
  requests: { amount: bigint; unlocksAt: bigint }[];
}

/** A task as `taskOf` returns it. */
export interface ReplayedTask {
  user: string;
  provider: string;
  state: bigint;
  deadline: bigint;
  trainingTime: bigint;
  fee: bigint;
  rebate: bigint;
  paid: bigint;
  bondBps: bigint;
  unacknowledgedBps: bigint;
  size: bigint;
  offer: bigint;
  offerBlock: bigint;
  createdBlock: bigint;
  movedBlock: bigint;
  demands: bigint;
  chunk: bigint;
  root: string;
  exchange: string;
}

/** The Solidity enum TaskState. */
const STATES = [
  "None",
  "Created",
  "Accepted",
  "Delivered",
  "Demanded",
  "Acknowledged",
  "Revealed",
  "Settled",
  "Cancelled",
  "Failed",
  "Expired",
  "Lapsed",
  "Slashed",
];
type Counter =
  | "open"
  | "confirmed"
  | "finalized"
  | "lapsed"
  | "refused"
  | "failed"
  | "expired"
  | "slashed";

interface ReplayedBlock {
  readonly number: bigint;
  /** Unix seconds. */
  readonly timestamp: bigint;
}

/** The state of both contracts, rebuilt from their events alone. */
export class Replay {
  readonly accounts = new Map<string, AccountSums>();
  readonly subAccounts = new Map<string, SubAccountSums>();
  /** Providers of an account at a serving contract, in the order of first use. */
  readonly providers = new Map<string, string[]>();
  readonly allowances = new Map<string, bigint>();
  burned = 0n;
  /** Terms and stake of the registered providers. */
  readonly services = new Map<string, { stake: bigint; offer: bigint; terms: unknown[] }>();
  /** Neuron that users have paid, by provider. */
  readonly earned = new Map<string, bigint>();
  readonly counters = new Map<string, Record<Counter, bigint>>();
  /** Unix seconds of the last broken promise, by provider. */
  readonly failedAt = new Map<string, bigint>();
  /** Blocks of the first events with an offer, by its number. */
  private readonly offerBlocks = new Map<bigint, bigint>();
  /** The block of the event that is applied. */
  private block: ReplayedBlock = { number: 0n, timestamp: 0n };
  readonly tasks = new Map<string, ReplayedTask>();

  apply({ name, args }: LogDescription, block: ReplayedBlock): void {
    this.block = block;
    const handler = this.handlers[name];
    if (!handler) throw new Error(`The replay does not know the event ${name}.`);
    handler(args);
  }

  account(owner: string): AccountSums {
    return entry(this.accounts, owner, () => ({ available: 0n, locked: 0n }));
  }

  subAccount(account: string, serving: string, provider: string): SubAccountSums {
    const key = `${account} ${serving} ${provider}`;
    return entry(this.subAccounts, key, () => ({ free: 0n, reserved: 0n, requests: [] }));
  }

  countersOf(provider: string): Record<Counter, bigint> {
    return entry(this.counters, provider, () => ({
      open: 0n,
      confirmed: 0n,
      finalized: 0n,
      lapsed: 0n,
      refused: 0n,
      failed: 0n,
      expired: 0n,
      slashed: 0n,
    }));
  }

  private sub({ account, serving, provider }: Args): SubAccountSums {
    return this.subAccount(account, serving, provider);
  }

  private readonly handlers: Record<string, (args: Args) => void> = {
    Deposited: ({ account, amount }) => {
      this.account(account).available += amount;
    },
    Withdrawn: ({ account, amount }) => {
      this.account(account).available -= amount;
    },
    Authorized: ({ account, serving, allowance }) => {
      this.allowances.set(`${account} ${serving}`, allowance);
    },
    SubAccountOpened: ({ account, serving, provider }) => {
      entry(this.providers, `${account} ${serving}`, () => []).push(provider);
    },
    Funded: (args) => {
      const account = this.account(args.account);
      account.available -= args.amount;
      account.locked += args.amount;
      this.sub(args).free += args.amount;
    },
    Transferred: ({ account, serving, from, to, amount }) => {
      this.subAccount(account, serving, from).free -= amount;
      this.subAccount(account, serving, to).free += amount;
    },
    Reserved: (args) => {
      const key = `${args.account} ${args.serving}`;
      const allowance = this.allowances.get(key)!;
      if (allowance !== UNLIMITED) this.allowances.set(key, allowance - args.amount);
      this.sub(args).free -= args.amount;
      this.sub(args).reserved += args.amount;
    },
    Released: (args) => {
      this.sub(args).reserved -= args.amount;
      this.sub(args).free += args.amount;
    },
    Settled: (args) => {
      this.sub(args).reserved -= args.amount;
      this.account(args.account).locked -= args.amount;
      if (args.payee === ZeroAddress) this.burned += args.amount;
      else this.account(args.payee).available += args.amount;
    },
    ReturnRequested: (args) => {
      const { requests } = this.sub(args);
      this.sub(args).free -= args.amount;
      const joined = requests[Number(args.index)]?.amount ?? 0n;
      requests[Number(args.index)] = { amount: joined + args.amount, unlocksAt: args.unlocksAt };
    },
    ReturnCancelled: (args) => {
      take(this.sub(args).requests, args.amount, "newest");
      this.sub(args).free += args.amount;
    },
    ReturnClaimed: (args) => {
      take(this.sub(args).requests, args.amount, "oldest");
      this.account(args.account).locked -= args.amount;
      this.account(args.account).available += args.amount;
    },
    ServiceRegistered: ({ provider, stake, offer, terms }) => {
      this.services.set(provider, { stake, offer, terms: plain(terms) });
      entry(this.offerBlocks, offer, () => this.block.number);
    },
    ServiceUpdated: ({ provider, offer, terms }) => {
      Object.assign(this.services.get(provider)!, { offer, terms: plain(terms) });
      entry(this.offerBlocks, offer, () => this.block.number);
    },
    ServiceRemoved: ({ provider }) => {
      this.services.delete(provider);
    },
    TaskCreated: ({ id, user, provider, fee, order }) => {
      const [, , , trainingTime, bondBps, unacknowledgedBps] = this.services.get(provider)!
        .terms as bigint[];
      this.tasks.set(id, {
        user,
        provider,
        state: 1n,
        deadline: order.validUntil,
        trainingTime: trainingTime!,
        fee,
        rebate: 0n,
        paid: 0n,
        bondBps: bondBps!,
        unacknowledgedBps: unacknowledgedBps!,
        size: 0n,
        offer: order.offer,
        offerBlock: this.offerBlocks.get(order.offer)!,
        createdBlock: this.block.number,
        movedBlock: this.block.number,
        demands: 0n,
        chunk: 0n,
        root: ZeroHash,
        exchange: order.blindRoot,
      });
      this.countersOf(provider).open++;
    },
    TaskCancelled: ({ id, previous }) => this.end(id, "Cancelled", previous),
    TaskAccepted: ({ id, previous, deadline }) => this.move(id, "Accepted", deadline, previous),
    TaskFailed: ({ id, provider, previous }) => {
      const isCreated = this.tasks.get(id)!.state === 1n;
      if (!isCreated) this.fail(provider);
      return this.end(id, "Failed", previous, isCreated ? "refused" : "failed");
    },
    TaskDelivered: ({ id, previous, delivery, deadline }) => {
      const task = this.move(id, "Delivered", deadline, previous);
      task.rebate = task.fee - delivery.fee;
      const { size, root, contentRoot, keyCommit } = delivery;
      const parts = [task.exchange, contentRoot, keyCommit];
      const exchange = keccak256(
        AbiCoder.defaultAbiCoder().encode(["bytes32", "bytes32", "bytes32"], parts),
      );
      Object.assign(task, { size, root, exchange });
    },
    ChunkDemanded: ({ id, index, deadline }) => {
      const task = this.wait(id, "Demanded", deadline);
      task.demands++;
      task.chunk = index;
    },
    ChunkAnswered: ({ id, deadline }) => this.wait(id, "Delivered", deadline),
    TaskAcknowledged: ({ id, previous, deadline, late }) => {
      const task = this.move(id, "Acknowledged", deadline, previous);
      if (!late) return;
      task.bondBps = 0n;
      this.countersOf(task.provider).open++;
      this.countersOf(task.provider).lapsed--;
    },
    KeyRevealed: ({ id, previous, deadline }) => this.move(id, "Revealed", deadline, previous),
    TaskSettled: ({ id, previous, paid, settlement }) => {
      const counter = ([undefined, "confirmed", "finalized"] as const)[Number(settlement)];
      const task = this.end(id, "Settled", previous, counter);
      task.paid += paid;
      if (counter === undefined) task.rebate = task.fee - paid;
      this.earn(task.provider, paid);
    },
    TaskExpired: ({ id, provider, previous }) => {
      this.fail(provider);
      return this.end(id, "Expired", previous, "expired");
    },
    TaskSlashed: ({ id, provider, previous }) => {
      this.fail(provider);
      this.end(id, "Slashed", previous, "slashed");
      const service = this.services.get(provider);
      if (service) service.terms[7] = false;
    },
    TaskLapsed: ({ id, previous, paid, deadline }) => {
      const task = this.end(id, "Lapsed", previous, "lapsed");
      Object.assign(task, { paid, deadline });
      this.earn(task.provider, paid);
    },
  };

  private earn(provider: string, amount: bigint): void {
    this.earned.set(provider, (this.earned.get(provider) ?? 0n) + amount);
  }

  private fail(provider: string): void {
    this.failedAt.set(provider, this.block.timestamp);
  }

  private wait(id: string, state: string, deadline: bigint): ReplayedTask {
    const task = this.tasks.get(id)!;
    return Object.assign(task, { state: BigInt(STATES.indexOf(state)), deadline });
  }

  /** @throws Error unless `previous` is the block of the task's event before this one. */
  private move(id: string, state: string, deadline: bigint, previous: bigint): ReplayedTask {
    const task = this.wait(id, state, deadline);
    if (task.movedBlock !== previous) throw new Error(`${state} names the wrong block before it.`);
    task.movedBlock = this.block.number;
    return task;
  }

  private end(id: string, state: string, previous: bigint, counter?: Counter): ReplayedTask {
    const task = this.move(id, state, 0n, previous);
    this.countersOf(task.provider).open--;
    if (counter) this.countersOf(task.provider)[counter]++;
    return task;
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the arguments of any event, by name
type Args = any;

function entry<K, T>(map: Map<K, T>, key: K, create: () => T): T {
  const found = map.get(key) ?? create();
  map.set(key, found);
  return found;
}

/** Removes `amount` from one end of a queue; the last request may be removed in part. */
function take(requests: SubAccountSums["requests"], amount: bigint, from: "oldest" | "newest") {
  for (let left = amount; left > 0n; ) {
    const request = requests.at(from === "oldest" ? 0 : -1)!;
    const part = request.amount < left ? request.amount : left;
    request.amount -= part;
    left -= part;
    if (request.amount > 0n) continue;
    if (from === "oldest") requests.shift();
    else requests.pop();
  }
}

/** A decoded struct as plain nested arrays. */
export function plain(value: Iterable<unknown>): unknown[] {
  return [...value].map((item) => (Array.isArray(item) ? plain(item) : item));
}
