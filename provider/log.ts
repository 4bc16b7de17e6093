import pino, { type Logger } from "pino";
import { readNodeError } from "../sdk/rpc/nodeErrors.ts";

/** JSON lines on stderr. Written at once: the last line before a crash is the one that matters. */
export function createLog(level: string): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: describe } },
    pino.destination({ dest: 2, sync: true }),
  );
}

interface Described {
  readonly type: string;
  readonly message: string;
  readonly code?: unknown;
  /** What the chain's node said. */
  readonly node?: string;
  readonly frames?: readonly string[];
  readonly cause?: unknown;
}

/**
 * An error without what ethers hangs on it and writes into its long message: whole transactions, whose data holds the
 * keys to be revealed.
 */
export function describe(error: unknown): Described | unknown {
  if (!(error instanceof Error)) return error;
  const { shortMessage, code } = error as { shortMessage?: string; code?: unknown };
  const node = readNodeError(error)?.words;
  return {
    type: error.name,
    message: shortMessage ?? error.message,
    ...(code === undefined ? {} : { code }),
    ...(node && { node }),
    frames: error.stack
      ?.split("\n")
      .filter((line) => /^\s+at /.test(line))
      .slice(0, 6)
      .map((line) => line.trim()),
    ...(error.cause === undefined ? {} : { cause: describe(error.cause) }),
  };
}
