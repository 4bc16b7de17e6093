import type { Logger } from "pino";
import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import { getService } from "../../sdk/service/getService.ts";
import { listOpenTasks } from "../../sdk/task/listOpenTasks.ts";
import { searchTaskEvents } from "../../sdk/task/searchTaskEvents.ts";
import { fetchTaskEvents, type TaskEvent } from "../../sdk/task/taskEvents.ts";
import { readChain } from "../../sdk/transaction/readChain.ts";
import { searchWidth } from "../../sdk/transaction/searchLogs.ts";
import { backoff, type Clock } from "../clock.ts";
import { StateUnusableError } from "../errors.ts";
import type { BlockMark, Store } from "../store/Store.ts";
import { admitTask } from "./admitTask.ts";
import type { ChainIdentity } from "./ChainIdentity.ts";

export interface WatcherOptions {
  readonly client: Client;
  /** Address of this provider. */
  readonly provider: string;
  readonly store: Store;
  readonly identity: ChainIdentity;
  readonly clock: Clock;
  readonly log: Logger;
  /** Blocks on top of a block before its events count as confirmed. */
  readonly confirmations: number;
  /** Milliseconds between polls of the chain. */
  readonly pollInterval: number;
  /** Called after every poll, with the chain's time in unix seconds. */
  readonly onPoll: (now: number) => void;
}

/** Requests for events between two commits of the cursor, each of which costs a request for a block. */
const SEARCHES_PER_COMMIT = 32;
/** Blocks behind the cursor that are read again at every poll, in case the endpoint omitted an event. */
const OVERLAP = 32;
/** Milliseconds between comparisons with the contract's count of open tasks. */
const RECOUNT_INTERVAL = 600_000;
/** Milliseconds for which an endpoint behind the cursor counts as lagging, and not as a chain that became shorter. */
const LAG_TOLERANCE = 60_000;

/** Milliseconds without a new block after which to switch the endpoint: either it or the chain has stalled. */
const STALL_TIMEOUT = 60_000;

/**
 * Follows the events of this provider's tasks. They are only hints: an event marks its job as stale, and the task is
 * then read from the chain. Events and cursor are committed together, so none is lost and none counts twice.
 */
export class Watcher {
  readonly #options: WatcherOptions;
  /** When the endpoint was first seen behind the cursor; null while it is not. */
  #behindSince: number | null = null;
  #recountAt = 0;
  /** The newest block, and when it was first seen. */
  #newest = { number: -1, since: 0 };

  constructor(options: WatcherOptions) {
    this.#options = options;
  }

  /** Polls until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, clock, log, pollInterval } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.poll(signal);
        failures = 0;
      } catch (error) {
        if (error instanceof StateUnusableError) throw error;
        failures++;
        log.warn({ err: error, failures }, "the chain cannot be read");
        client.provider.switchEndpoint(); // if there is another one: this one may lag or be inconsistent
      }
      await clock.sleep(failures > 0 ? backoff(failures) : pollInterval, signal);
    }
  }

  /** Processes all events up to the newest confirmed block. */
  async poll(signal?: AbortSignal): Promise<void> {
    const { client, confirmations } = this.#options;
    const [head, now] = await readChain(client, () => readHead(client));
    await this.#checkHead(head);
    this.#checkStall(head);
    const target = head - confirmations;
    await this.#scanAll((await this.#verifiedCursor()) + 1, target, signal);
    this.#options.onPoll(now);
    await this.#recount(target, signal);
  }

  /**
   * Reads the events of all open tasks if the contract counts more than are known: the endpoint has omitted some. Its
   * views lead to the tasks, and these to their events.
   */
  async #recount(target: number, signal?: AbortSignal): Promise<void> {
    const { client, provider, store, clock, log } = this.#options;
    if (clock.now() < this.#recountAt) return;
    this.#recountAt = clock.now() + RECOUNT_INTERVAL;
    const open = await countOpen(client, provider);
    const known = store.openJobs().length + store.refusedJobs();
    if (open <= known) return;
    log.warn({ open, known }, "the chain has more open tasks than known: reading their events");
    for (const task of await listOpenTasks(client, { provider, count: open })) {
      if (signal?.aborted) return;
      const events = await fetchTaskEvents(client, task);
      store.transaction(() => {
        for (const event of events) if (event.blockNumber <= target) this.#take(event);
      });
    }
  }

  /** Reads all blocks up to `target`, and a few before `from` again. */
  async #scanAll(from: number, target: number, signal?: AbortSignal): Promise<void> {
    const { provider, deploymentBlock } = this.#options.client;
    if (from > target) return;
    for (let begin = Math.max(deploymentBlock, from - OVERLAP); begin <= target; ) {
      if (signal?.aborted) return;
      const end = Math.min(begin + SEARCHES_PER_COMMIT * searchWidth(provider) - 1, target);
      await this.#scan(begin, end);
      begin = end + 1;
    }
  }

  /** @throws Error if the head is behind the cursor, for as long as the endpoint may just be lagging. */
  async #checkHead(head: number): Promise<void> {
    const { store, clock, identity } = this.#options;
    const cursor = store.scannedBlocks()[0]?.number ?? 0;
    if (head >= cursor) {
      this.#behindSince = null;
      return;
    }
    await identity.verify(); // a restarted network is not a lagging one
    this.#behindSince ??= clock.now();
    if (clock.now() - this.#behindSince > LAG_TOLERANCE) return;
    throw new Error(`The RPC endpoint is at block ${head}, behind ${cursor}.`);
  }

  /** Switches to another endpoint, if there is one, after a long time without a new block. */
  #checkStall(head: number): void {
    const { client, clock } = this.#options;
    const now = clock.now();
    if (head === this.#newest.number && now - this.#newest.since < STALL_TIMEOUT) return;
    if (head === this.#newest.number) client.provider.switchEndpoint();
    this.#newest = { number: head, since: now };
  }

  /** The cursor, after rewinding to the newest scanned block that is still in the chain. */
  async #verifiedCursor(): Promise<number> {
    const { store, log, client } = this.#options;
    const marks = store.scannedBlocks();
    const agreed = await this.#findAgreed(marks);
    const cursor = agreed?.number ?? client.deploymentBlock - 1;
    if (agreed === marks[0]) return cursor;
    // An endpoint of another chain must not undo events.
    await this.#options.identity.verifyContracts();
    log.warn({ from: marks[0]!.number, to: cursor }, "the chain was reorganized");
    store.transaction(() => {
      for (const id of store.rewindTo(cursor)) store.markStale(id);
    });
    return cursor;
  }

  /** The newest mark that is still in the chain. */
  async #findAgreed(marks: readonly BlockMark[]): Promise<BlockMark | undefined> {
    for (const mark of marks) if ((await this.#blockHash(mark.number)) === mark.hash) return mark;
    return undefined;
  }

  async #scan(fromBlock: number, toBlock: number): Promise<void> {
    const { client, provider, store } = this.#options;
    // The hash first: if the chain changes in between, the next poll finds the mark orphaned and reads again.
    const hash = await this.#blockHash(toBlock);
    if (hash === null) throw new Error(`The RPC endpoint has no block ${toBlock} yet.`);
    const events = await searchTaskEvents(client, { provider, fromBlock, toBlock });
    store.transaction(() => {
      for (const event of events) this.#take(event);
      store.putScannedBlock({ number: toBlock, hash });
    });
  }

  #take(event: TaskEvent): void {
    const { store, provider, log } = this.#options;
    if (event.name === "TaskCreated" && isSame(event.provider, provider)) {
      const isNew = store.job(event.id) === null;
      admitTask(store, event);
      if (isNew)
        log.info({ task: formatTaskId(event.id), block: event.blockNumber }, "task ordered");
    }
    if (store.job(event.id) === null) return; // another provider's task
    if (store.putEvent(event)) store.markStale(event.id);
  }

  async #blockHash(number: number): Promise<string | null> {
    const { client } = this.#options;
    return readChain(client, async () => (await client.provider.getBlock(number))?.hash ?? null);
  }
}

/** The contract's count of the provider's open tasks; 0 if it does not know the provider. */
async function countOpen(client: Client, provider: string): Promise<number> {
  try {
    return (await getService(client, { provider })).counters.open;
  } catch (error) {
    if (error instanceof ProtocolError && error.code === "not-found") return 0;
    throw error;
  }
}

/**
 * Number of the newest block, and the chain's time. A local chain makes no blocks while it is idle; its time is then
 * the one that the next block would have.
 */
async function readHead({ provider }: Client): Promise<[number: number, now: number]> {
  const [latest, pending] = await Promise.all([
    provider.getBlock("latest"),
    provider.getBlock("pending").catch(() => null),
  ]);
  if (!latest) throw new Error("The RPC endpoint has no latest block.");
  return [latest.number, Math.max(latest.timestamp, pending?.timestamp ?? 0)];
}

const isSame = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
