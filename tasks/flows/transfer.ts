import { ProtocolError } from "../../sdk/errors.ts";
import { formatBytes } from "../terminal/formatBytes.ts";
import { formatDuration } from "../terminal/formatDuration.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { untilInterrupted } from "../terminal/untilInterrupted.ts";

/** Processed and total bytes. */
interface Progress {
  readonly bytes: number;
  readonly total: number;
}

interface Transfer {
  readonly signal: AbortSignal;
  readonly onHashed: (progress: Progress) => void;
  readonly onProgress: (progress: Progress) => void;
}

/** Runs an upload or download with a live progress line; Ctrl-C stops it, and the same command resumes it. */
export async function transfer<T>(
  terminal: Terminal,
  label: string,
  work: (transfer: Transfer) => Promise<T>,
): Promise<T> {
  const stopped = new ProtocolError(
    "declined",
    `${label} was interrupted.`,
    "Run the same command again to resume.",
  );
  const hashing = new ProgressLine(terminal, "Hash");
  const moving = new ProgressLine(terminal, label);
  return untilInterrupted(stopped, (signal) =>
    work({
      signal,
      onHashed: (progress) => hashing.show(progress),
      onProgress: (progress) => {
        moving.sayResuming(progress);
        moving.show(progress);
      },
    }),
  );
}

const BAR = 24;
/** Milliseconds between two redraws: faster changes are unreadable. */
const REDRAW_INTERVAL_MS = 100;
/** Milliseconds over which the speed is measured, so that the remaining time follows changes of the rate. */
const SPEED_WINDOW_MS = 5_000;

/** One line with a bar, the progress, the recent speed and the time left at that speed. */
class ProgressLine {
  readonly #terminal: Terminal;
  readonly #label: string;
  readonly #seen: { at: number; bytes: number }[] = [];
  #drawnAt = Number.NEGATIVE_INFINITY;

  constructor(terminal: Terminal, label: string) {
    this.#terminal = terminal;
    this.#label = label;
  }

  /** Reports, once and before the first transfer, what an earlier attempt has transferred. */
  sayResuming({ bytes, total }: Progress): void {
    if (this.#seen.length > 0 || bytes === 0 || bytes === total) return;
    this.#terminal.note(
      `Resuming ${this.#label.toLowerCase()}: ${formatBytes(bytes)} of ${formatBytes(total)} already transferred.`,
    );
  }

  show({ bytes, total }: Progress): void {
    const now = performance.now();
    if (now < this.#drawnAt + REDRAW_INTERVAL_MS && bytes < total) return;
    this.#drawnAt = now;
    this.#seen.push({ at: now, bytes });
    while (this.#seen.length > 2 && this.#seen[0]!.at < now - SPEED_WINDOW_MS) this.#seen.shift();
    this.#terminal.live(`${this.#label} ${this.#line(bytes, total)}`);
  }

  #line(bytes: number, total: number): string {
    const filled = Math.floor((bytes / total) * BAR);
    const bar = "█".repeat(filled) + "░".repeat(BAR - filled);
    const share = Math.floor((bytes / total) * 100);
    const speed = this.#bytesPerSecond();
    const parts = [`${bar} ${share} % of ${formatBytes(total)}`];
    if (speed > 0) parts.push(`${formatBytes(speed)}/s`);
    if (speed > 0 && bytes < total) parts.push(`${formatDuration((total - bytes) / speed)} left`);
    return parts.join(" · ");
  }

  #bytesPerSecond(): number {
    const [first, last] = [this.#seen[0]!, this.#seen.at(-1)!];
    return ((last.bytes - first.bytes) / Math.max(1, last.at - first.at)) * 1000;
  }
}
