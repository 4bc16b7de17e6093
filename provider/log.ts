import pino, { type Logger } from "pino";
import { readNodeError } from "../sdk/rpc/nodeErrors.ts";

/** JSON lines on stderr, written synchronously so that the last line before a crash is not lost. */
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
  /** The chain node's own message. */
  readonly node?: string;
  readonly frames?: readonly string[];
  readonly cause?: unknown;
}

/**
 * An error without what ethers attaches to it and includes in its long message: whole transactions, whose data contains
 * the keys to be revealed.
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
