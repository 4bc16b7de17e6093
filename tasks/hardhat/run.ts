import { styleText } from "node:util";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import { ProtocolError } from "../../sdk/errors.ts";
import { createEnvironment, type Environment } from "./environment.ts";
import { OutcomeError } from "../terminal/OutcomeError.ts";
import { createTerminal, type Terminal } from "../terminal/Terminal.ts";

/**
 * What a command does: reads its flags, talks on the terminal, and returns the document that --json prints.
 * A command that prints its documents itself, line by line, returns nothing.
 */
export type CommandBody<Flags> = (
  flags: Flags,
  terminal: Terminal,
  environment: Environment,
) => Promise<unknown>;

/** Wraps a command for Hardhat: output, errors and exit code are the same for all of them. */
export function run<Flags extends { json: boolean }>(body: CommandBody<Flags>) {
  return async (flags: Flags, hre: HardhatRuntimeEnvironment): Promise<void> => {
    const terminal = createTerminal({ json: flags.json });
    let environment: Environment | undefined;
    try {
      environment = createEnvironment(hre);
      const document = await body(flags, terminal, environment);
      if (terminal.json && document !== undefined) terminal.document(document);
    } catch (error) {
      reportError(terminal, error, hre.globalOptions.showStackTraces);
    } finally {
      terminal.endLive();
      environment?.close();
    }
  };
}

/** Prints an error and sets the exit code. Nothing is thrown further: Hardhat would print it a second time. */
export function reportError(terminal: Terminal, error: unknown, withStack: boolean): void {
  const known = error instanceof ProtocolError ? error : unexpected(error);
  process.exitCode = known.exitCode;
  if (terminal.json) {
    const { code, message, hint } = known;
    const outcome = known instanceof OutcomeError ? known.outcome : {};
    terminal.document({ ...outcome, error: { code, message, hint } });
  } else {
    const label = styleText("red", "Error:", { stream: process.stderr });
    terminal.note(`${label} ${known.message}\n${known.hint}`);
  }
  if (withStack && known.code === "unexpected") console.error(error);
}

function unexpected(error: unknown): ProtocolError {
  const message = error instanceof Error ? error.message : String(error);
  return new ProtocolError("unexpected", message, "Run again with --show-stack-traces.", {
    cause: error,
  });
}
