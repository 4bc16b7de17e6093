/**
 * A signal that Ctrl-C aborts, for as long as `work` runs. Elsewhere Ctrl-C ends the process, as usual.
 * @param reason what the work then fails with.
 */
export async function untilInterrupted<T>(
  reason: Error,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const stop = () => controller.abort(reason);
  process.once("SIGINT", stop);
  try {
    return await work(controller.signal);
  } finally {
    process.off("SIGINT", stop);
  }
}
