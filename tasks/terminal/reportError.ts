import { styleText } from "node:util";
import { ProtocolError } from "../../sdk/errors.ts";
import { fileErrorOf } from "../../sdk/fileErrors.ts";
import type { Environment } from "../Environment.ts";
import { hintWithNext } from "./hintWithNext.ts";
import { OutcomeError } from "./OutcomeError.ts";
import type { Terminal } from "./Terminal.ts";

/**
 * Prints an error and sets the exit code.
 * @param environment undefined if it could not be opened or is not needed
 */
export function reportError(
  terminal: Terminal,
  error: unknown,
  withStack: boolean,
  environment?: Environment,
): void {
  const known =
    error instanceof ProtocolError ? error : (fileErrorOf(error) ?? unexpectedError(error));
  const hint = environment ? hintWithNext(known, environment) : known.hint;
  process.exitCode = known.exitCode;
  if (terminal.json) {
    const { code, message } = known;
    const outcome = known instanceof OutcomeError ? known.outcome : {};
    terminal.document({ ...outcome, error: { code, message, hint } });
  } else {
    const label = styleText("red", "Error:", { stream: process.stderr });
    terminal.note(`${label} ${known.message}`);
    terminal.hint(hint);
  }
  if (withStack && known.code === "unexpected") console.error(error);
}

function unexpectedError(error: unknown): ProtocolError {
  const message = error instanceof Error ? error.message : String(error);
  return new ProtocolError("unexpected", message, "Run again with --show-stack-traces.", {
    cause: error,
  });
}
