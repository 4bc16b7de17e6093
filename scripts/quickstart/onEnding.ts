/** Why a process is to end before its work is done. */
export type Ending = NodeJS.Signals | "EPIPE";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Calls `end` once: for Ctrl-C, for a request to end, when the terminal closes, and when nobody reads the output any
 * longer (`… | head`) or it has no room, which sets the exit code 1. A second signal ends the process at once.
 */
export function onEnding(end: (reason: Ending) => void): void {
  let isEnding = false;
  const endOnce = (reason: Ending) => {
    if (isEnding) return;
    isEnding = true;
    end(reason);
  };
  for (const signal of SIGNALS) process.once(signal, () => endOnce(signal));
  process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
    if (code !== "EPIPE" && !isEnding) {
      console.error(
        `Error: The output cannot be written (${code}). Make room or write it elsewhere.`,
      );
      process.exitCode = 1;
    }
    endOnce("EPIPE");
  });
  process.stderr.on("error", () => endOnce("EPIPE"));
}
