import type { NextAction } from "./NextAction.ts";

/** Why an operation failed, for a program; it determines the exit code of a command. */
export type ErrorCode =
  | "usage"
  | "dataset-invalid"
  | "insufficient-funds"
  | "task-failed-by-provider"
  | "task-failed-by-input"
  | "declined"
  | "timed-out"
  | "network"
  | "integrity"
  | "not-found"
  | "too-early"
  | "reverted"
  | "unexpected";

const EXIT_CODES: Record<ErrorCode, number> = {
  usage: 2,
  "dataset-invalid": 3,
  "insufficient-funds": 4,
  "task-failed-by-provider": 5,
  "task-failed-by-input": 6,
  declined: 7,
  "timed-out": 8,
  network: 9,
  integrity: 10,
  "not-found": 1,
  "too-early": 1,
  reverted: 1,
  unexpected: 1,
};

export interface ProtocolErrorOptions {
  /** The original error. */
  readonly cause?: unknown;
  /** What the hint suggests, if it is a verb or a setting. */
  readonly next?: NextAction | undefined;
}

/**
 * The base class of the SDK's errors: `message` says in one sentence what happened, `hint` in one sentence what to do
 * next, `next` the same for a program; `cause` is the original error.
 */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly code: ErrorCode;
  readonly hint: string;
  readonly next: NextAction | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    hint: string,
    { next, ...options }: ProtocolErrorOptions = {},
  ) {
    super(message, options);
    this.code = code;
    this.hint = hint;
    this.next = next;
  }

  /** Exit code of a command that ends with this error. */
  get exitCode(): number {
    return EXIT_CODES[this.code];
  }
}
