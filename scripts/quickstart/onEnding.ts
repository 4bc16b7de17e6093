/** Why a process is to end before its work is done. */
export type Ending = NodeJS.Signals | "EPIPE";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Calls `end` once: for Ctrl-C, for a request to end, when the terminal closes, and when nobody reads the output any
 * longer (`… | head`). A second signal ends the process at once.
 */
export function onEnding(end: (reason: Ending) => void): void {
  let isEnding = false;
  const endOnce = (reason: Ending) => {
    if (isEnding) return;
    isEnding = true;
    end(reason);
  };
  for (const signal of SIGNALS) process.once(signal, () => endOnce(signal));
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", () => endOnce("EPIPE"));
  }
}
