import type { Logger } from "pino";
import type { Client } from "../../sdk/client.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import { fetchTaskEvents, type TaskEvent } from "../../sdk/task/taskEvents.ts";
import { readChain } from "../../sdk/transaction/readChain.ts";
import { backoff, type Clock } from "../clock.ts";
import { admitTask } from "../jobs/admitTask.ts";
import type { BlockMark, Store } from "../store/Store.ts";

export interface WatcherOptions {
  readonly client: Client;
  /** Address of this provider. */
  readonly provider: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** Blocks on top of a block before its events count. */
  readonly confirmations: number;
  /** Milliseconds between two looks at the chain. */
  readonly pollInterval: number;
  /** Told after every look, with the chain's clock in unix seconds. */
  readonly onLook: (now: number) => void;
}

/** Blocks asked for at a time. */
const RANGE = 2_000;

/**
 * Follows the events of this provider's tasks. They are hints: an event makes its job stale, and the task is then read
 * from the chain. Events and cursor are one commit, so none is lost and none counts twice.
 */
export class Watcher {
  readonly #options: WatcherOptions;

  constructor(options: WatcherOptions) {
    this.#options = options;
  }

  /** Looks again and again until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, pollInterval } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.look(signal);
        failures = 0;
      } catch (error) {
        failures++;
        log.warn({ err: error, failures }, "the chain cannot be read");
      }
      await clock.sleep(failures > 0 ? backoff(failures) : pollInterval, signal);
    }
  }

  /** Takes in everything up to the newest confirmed block. */
  async look(signal?: AbortSignal): Promise<void> {
    const { client, confirmations, store } = this.#options;
    const [head, now] = await readChain(client, () => readHead(client));
    const cursor = store.scannedBlocks()[0]?.number ?? 0;
    if (head < cursor) throw new Error(`The RPC endpoint is at block ${head}, behind ${cursor}.`);
    const target = head - confirmations;
    let next = (await this.#verifiedCursor()) + 1;
    while (next <= target && !signal?.aborted) {
      const end = Math.min(next + RANGE - 1, target);
      await this.#scan(next, end);
      next = end + 1;
    }
    this.#options.onLook(now);
  }

  /** The cursor, after going back to where the chain still agrees with what was scanned. */
  async #verifiedCursor(): Promise<number> {
    const { store, log, client } = this.#options;
    const marks = store.scannedBlocks();
    const agreed = await this.#findAgreed(marks);
    const cursor = agreed?.number ?? client.deploymentBlock - 1;
    if (agreed === marks[0]) return cursor;
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
    const { client, store } = this.#options;
    // The hash first: should the chain change in between, the next look finds the mark orphaned and reads again.
    const hash = await this.#blockHash(toBlock);
    if (hash === null) throw new Error(`The RPC endpoint has no block ${toBlock} yet.`);
    const events = await fetchTaskEvents(client, { fromBlock, toBlock });
    store.transaction(() => {
      for (const event of events) this.#take(event);
      store.putScannedBlock({ number: toBlock, hash });
    });
  }

  #take(event: TaskEvent): void {
    const { store, provider, log } = this.#options;
    if (event.name === "TaskCreated" && isSame(event.provider, provider)) {
      admitTask(store, event);
      log.info({ task: formatTaskId(event.id), block: event.blockNumber }, "task ordered");
    }
    if (store.job(event.id) === null) return; // another provider's task
    store.putEvent(event);
    store.markStale(event.id);
  }

  async #blockHash(number: number): Promise<string | null> {
    const { client } = this.#options;
    return readChain(client, async () => (await client.provider.getBlock(number))?.hash ?? null);
  }
}

/**
 * Number of the newest block, and the chain's clock. A local chain makes no block while nothing happens; what the
 * clock shows then is the time that the next block would have.
 */
async function readHead({ provider }: Client): Promise<[number: number, now: number]> {
  const [latest, pending] = await Promise.all([
    provider.getBlock("latest"),
    provider.getBlock("pending").catch(() => null),
  ]);
  if (!latest) throw new Error("The RPC endpoint knows no latest block.");
  return [latest.number, Math.max(latest.timestamp, pending?.timestamp ?? 0)];
}

const isSame = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
