/** The reason why a process should end early. */
export type Ending = NodeJS.Signals | "EPIPE";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Calls `end` once: for Ctrl-C, for SIGTERM, if the terminal closes, if the output is no longer read (`… | head`), or
 * if its disk is full, which sets the exit code 1. A second signal ends the process immediately.
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
        `Error: The output cannot be written (${code}). Free space or write it elsewhere.`,
      );
      process.exitCode = 1;
    }
    endOnce("EPIPE");
  });
  process.stderr.on("error", () => endOnce("EPIPE"));
}
