import type { Clock } from "../clock.ts";

/** Milliseconds a process gets to finish its step and save before it is killed. */
export const GRACE_MS = 30_000;
/** Milliseconds after which it is asked again: a process that has only just started does not listen yet. */
const ASK_INTERVAL = 1_000;
const POLL_INTERVAL = 50;

/** Ends a process, politely first: a trainer saves its state on SIGTERM. `wake` may abort when it has ended. */
export async function terminateProcess(
  pid: number,
  hasEnded: () => boolean,
  clock: Clock,
  wake: AbortSignal = new AbortController().signal,
): Promise<void> {
  const deadline = clock.now() + GRACE_MS;
  let askAt = clock.now();
  while (!hasEnded()) {
    if (clock.now() >= deadline) return signalTree(pid, "SIGKILL");
    if (clock.now() >= askAt) {
      signalTree(pid, "SIGTERM");
      askAt += ASK_INTERVAL;
    }
    await clock.sleep(POLL_INTERVAL, wake);
  }
}

/** Sends a signal to all processes of a group; to those that a training started it arrives in the sandbox too. */
export function signalGroup(leader: number, signal: NodeJS.Signals): void {
  send(-leader, signal);
}

/** To a process, and to its group where it leads one. */
function signalTree(pid: number, signal: NodeJS.Signals): void {
  send(-pid, signal);
  send(pid, signal);
}

function send(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch {
    // it has ended
  }
}
