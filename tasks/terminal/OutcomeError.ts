import { type ErrorCode, ProtocolError } from "../../sdk/errors.ts";
import type { NextAction } from "../../sdk/NextAction.ts";

/** A command did something on chain and still ends badly: its document says both. */
export class OutcomeError extends ProtocolError {
  /** What --json prints beside the error. */
  readonly outcome: object;

  constructor(code: ErrorCode, message: string, hint: string, outcome: object, next?: NextAction) {
    super(code, message, hint, { next });
    this.outcome = outcome;
  }
}
