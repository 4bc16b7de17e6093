import type { Clock } from "../clock.ts";

/** Milliseconds that a process has to finish its step and save before it is killed. */
export const GRACE_MS = 30_000;
/** Milliseconds between SIGTERMs: a process that has just started may not handle the first one yet. */
const SIGNAL_INTERVAL = 1_000;
const POLL_INTERVAL = 50;

/** Ends a process: SIGTERM, on which a trainer saves its state, then SIGKILL. `wake` may abort when it has ended. */
export async function terminateProcess(
  pid: number,
  hasEnded: () => boolean,
  clock: Clock,
  wake: AbortSignal = new AbortController().signal,
): Promise<void> {
  const deadline = clock.now() + GRACE_MS;
  let nextSignal = clock.now();
  while (!hasEnded()) {
    if (clock.now() >= deadline) return signalTree(pid, "SIGKILL");
    if (clock.now() >= nextSignal) {
      signalTree(pid, "SIGTERM");
      nextSignal += SIGNAL_INTERVAL;
    }
    await clock.sleep(POLL_INTERVAL, wake);
  }
}

/** Sends a signal to all processes of a group; it also reaches a training run's processes in the sandbox. */
export function signalGroup(leader: number, signal: NodeJS.Signals): void {
  send(-leader, signal);
}

/** Sends a signal to a process, and to its group if it leads one. */
function signalTree(pid: number, signal: NodeJS.Signals): void {
  send(-pid, signal);
  send(pid, signal);
}

function send(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch {
    // already ended
  }
}
