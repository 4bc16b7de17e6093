/** Concurrent transfers of one file; each holds one or two segments in memory. */
export const TRANSFERS_AT_ONCE = 4;

/**
 * Calls `work` for every item, in at most `workers` at a time, and returns when all have finished. The first failure
 * stops the others and is thrown; so is the reason of an aborted signal.
 */
export async function inParallel<T>(
  items: Iterable<T>,
  work: (item: T, signal: AbortSignal, worker: number) => Promise<void>,
  signal?: AbortSignal,
  workers = TRANSFERS_AT_ONCE,
): Promise<void> {
  const failure = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failure.signal]) : failure.signal;
  const queue = items[Symbol.iterator]();
  const run = async (_: unknown, worker: number) => {
    try {
      for (let next = queue.next(); !next.done; next = queue.next()) {
        stop.throwIfAborted();
        await work(next.value, stop, worker);
      }
    } catch (error) {
      failure.abort(error);
    }
  };
  await Promise.all(Array.from({ length: workers }, run));
  signal?.throwIfAborted();
  failure.signal.throwIfAborted();
}
