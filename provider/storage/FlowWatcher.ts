import type { Provider } from "ethers";
import type { Logger } from "pino";
import { fetchSubmissions } from "../../sdk/storage/zerog/submissions.ts";
import { backoff, type Clock } from "../clock.ts";
import type { SubmissionLog } from "./SubmissionLog.ts";

export interface FlowWatcherOptions {
  readonly provider: Provider;
  readonly submissions: SubmissionLog;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds between polls of the chain. */
  readonly pollInterval: number;
}

/** Blocks per request. */
const RANGE = 2_000;

/** Follows the announcements to the Flow contract. No money depends on them, so no confirmations are required. */
export class FlowWatcher {
  readonly #options: FlowWatcherOptions;

  constructor(options: FlowWatcherOptions) {
    this.#options = options;
  }

  /** Polls until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, pollInterval } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.poll(signal);
        failures = 0;
      } catch (error) {
        failures++;
        log.warn({ err: error, failures }, "the announcements of files cannot be read");
      }
      await clock.sleep(failures > 0 ? backoff(failures) : pollInterval, signal);
    }
  }

  /** Reads all announcements up to the newest block; after a reorganization, from the start. */
  async poll(signal?: AbortSignal): Promise<void> {
    const { provider, submissions } = this.#options;
    const head = await provider.getBlockNumber();
    const { synced } = submissions;
    if (synced && (await this.#hashOf(synced.number)) !== synced.hash) submissions.clear();
    for (let from = (submissions.synced?.number ?? -1) + 1; from <= head && !signal?.aborted; ) {
      const to = Math.min(from + RANGE - 1, head);
      // The hash first: if the chain changes in between, the next poll finds it orphaned and reads again.
      const hash = await this.#hashOf(to);
      if (hash === null) throw new Error(`The RPC endpoint has no block ${to} yet.`);
      const { address } = submissions.flow;
      const found = await fetchSubmissions(provider, address, { fromBlock: from, toBlock: to });
      submissions.advance(found, { number: to, hash });
      from = to + 1;
    }
  }

  async #hashOf(number: number): Promise<string | null> {
    return (await this.#options.provider.getBlock(number))?.hash ?? null;
  }
}
