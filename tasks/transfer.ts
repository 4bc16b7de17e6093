import { stat } from "node:fs/promises";
import { join } from "node:path";
import { ProtocolError } from "../sdk/errors.ts";
import { untilInterrupted } from "./interrupt.ts";
import type { Terminal } from "./terminal.ts";

interface Transfer {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: { bytes: number; total: number }) => void;
}

/** Runs an upload or download with a live progress line; Ctrl-C stops it, and the same command goes on. */
export async function transfer<T>(
  terminal: Terminal,
  label: string,
  work: (transfer: Transfer) => Promise<T>,
): Promise<T> {
  const stopped = new ProtocolError(
    "declined",
    `${label} was interrupted.`,
    "Run the same command again: it goes on where it stopped.",
  );
  const start = performance.now();
  return untilInterrupted(stopped, (signal) =>
    work({
      signal,
      onProgress: ({ bytes, total }) =>
        terminal.live(`${label} ${progressLine(bytes, total, performance.now() - start)}`),
    }),
  );
}

/** `path`, or the file `name` in it where it is a directory. */
export async function fileIn(path: string, name: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() || path.endsWith("/") ? join(path, name) : path;
}

const BAR = 24;
const MIB = 1024 * 1024;

function progressLine(bytes: number, total: number, milliseconds: number): string {
  const share = total === 0 ? 1 : bytes / total;
  const filled = Math.round(share * BAR);
  const speed = bytes / MIB / Math.max(milliseconds / 1000, 0.001);
  const bar = "█".repeat(filled) + "░".repeat(BAR - filled);
  return `${bar} ${Math.floor(share * 100)} % of ${(total / MIB).toFixed(1)} MiB, ${speed.toFixed(1)} MiB/s`;
}
