import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { z } from "zod";
import { signalGroup } from "../processes/terminateProcess.ts";
import type { OnlineProcess } from "./runOnline.ts";

export interface TrackedRun {
  /** Path of the training run's journal. */
  readonly events: string;
  /** Id of the run, fixed per task, so that a restart continues the same run. */
  readonly id: string;
  readonly project: string | undefined;
  readonly name: string | undefined;
  readonly baseUrl: string | undefined;
  /** Directory for a run that could not be sent. */
  readonly offline: string;
}

/** A tracker that follows a training run. */
export interface Tracking {
  /** A warning for the user before the training starts; null if the run is open. */
  readonly warning: string | null;
  /** Ends the run after the training. @returns a warning for the user, or null. */
  end(): Promise<string | null>;
  /** Stops immediately, for a training run that will be resumed. */
  stop(): void;
}

/** Milliseconds to wait for the tracker before a training run, and for its remaining data after it. */
const OPEN_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 120_000;

const Line = z.object({ warning: z.string().nullable() });
const FAILED = "The tracker failed; the training is not affected.";

/** Starts `python -m anneal_online.track` alongside a training run. Never fails: problems become warnings. */
export async function trackTraining(
  { python, environment }: OnlineProcess,
  run: TrackedRun,
  apiKey: string | undefined,
): Promise<Tracking> {
  const child = spawn(python, ["-m", "anneal_online.track", ...argumentsOf(run)], {
    env: environment,
    stdio: ["pipe", "pipe", "ignore"],
    detached: true, // its own process group, so that its children end with it
  });
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("close", () => resolve());
  });
  child.stdin.on("error", () => undefined);
  child.stdin.write(`${JSON.stringify({ wandb_api_key: apiKey })}\n`);
  const lines = createInterface({ input: child.stdout });
  let last: string | null = FAILED;
  lines.on("line", (line) => {
    last = readWarning(line);
  });
  await within(OPEN_TIMEOUT_MS, Promise.race([once(lines, "line"), ended]));
  const stop = () => {
    if (child.pid !== undefined) signalGroup(child.pid, "SIGKILL");
  };
  return {
    warning: last,
    async end() {
      child.stdin.end();
      await within(END_TIMEOUT_MS, ended);
      stop();
      return last;
    },
    stop,
  };
}

function argumentsOf({ events, id, project, name, baseUrl, offline }: TrackedRun): string[] {
  const given = { project, name, "base-url": baseUrl };
  const optional = Object.entries(given).flatMap(([flag, value]) =>
    value === undefined ? [] : [`--${flag}=${value}`],
  );
  return ["--events", events, "--run", id, "--offline", offline, ...optional];
}

function readWarning(line: string): string | null {
  try {
    return Line.parse(JSON.parse(line)).warning;
  } catch {
    return FAILED;
  }
}

/** Waits for a promise, but no longer than `milliseconds`. */
async function within(milliseconds: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([promise, timeout]);
  clearTimeout(timer);
}
