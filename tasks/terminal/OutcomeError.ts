import { type ErrorCode, ProtocolError } from "../../sdk/errors.ts";
import type { NextAction } from "../../sdk/NextAction.ts";

/** A command succeeded on chain but still ends with an error; its document contains both. */
export class OutcomeError extends ProtocolError {
  /** What --json prints in addition to the error. */
  readonly outcome: object;

  constructor(code: ErrorCode, message: string, hint: string, outcome: object, next?: NextAction) {
    super(code, message, hint, { next });
    this.outcome = outcome;
  }
}
