/**
 * Runs `work` with a signal that Ctrl-C aborts. At other times, Ctrl-C ends the process, as usual.
 * @param reason the reason of the aborted signal.
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
