import type { Command, CommandDefinition } from "./definition.ts";
import type { Environment } from "./Environment.ts";
import { checkRequired } from "./flags/checkRequired.ts";
import { reportError } from "./terminal/reportError.ts";
import { createTerminal } from "./terminal/Terminal.ts";

/** The typed values of a command's parameters, by name. */
export type TypedValues = Readonly<Record<string, string | boolean | undefined>>;

export interface RunOptions {
  readonly open: () => Environment;
  /** Shows where an unexpected error came from. */
  readonly withStack: boolean;
}

/** Runs a command at a terminal: prints its result or its error, and sets the exit code. */
export async function runCommand(
  definition: CommandDefinition,
  values: TypedValues,
  { open, withStack }: RunOptions,
): Promise<void> {
  const terminal = createTerminal({ json: values.json === true });
  let environment: Environment | undefined;
  try {
    environment = open();
    checkRequired(definition, values, environment);
    const command = (await definition.load()).default as Command<TypedValues>;
    const document = await command(values, terminal, environment);
    if (terminal.json && document !== undefined) terminal.document(document);
  } catch (error) {
    reportError(terminal, error, withStack, environment);
  } finally {
    terminal.endLive();
    environment?.close();
  }
}
