import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import type { Command, CommandDefinition } from "../definition.ts";
import { checkRequired } from "../flags/checkRequired.ts";
import { runCommand, type TypedValues } from "../runCommand.ts";
import { createTerminal } from "../terminal/Terminal.ts";
import { createEnvironment } from "./environment.ts";
import { typedWords } from "./typedWords.ts";

type Action = (values: TypedValues, hre: HardhatRuntimeEnvironment) => Promise<unknown>;

/**
 * The action that Hardhat runs. At a terminal, a command prints its result or error itself, as Hardhat would format the
 * error differently and always exit with 1. In a program, it returns its document or throws.
 */
export function actionOf(definition: CommandDefinition): Action {
  return (values, hre) =>
    isTyped(definition) ? runTyped(definition, values, hre) : compose(definition, values, hre);
}

function isTyped({ path }: CommandDefinition): boolean {
  const words = typedWords(process.argv);
  const start = words?.indexOf(path[0]!) ?? -1;
  return start !== -1 && path.every((word, index) => words![start + index] === word);
}

/** Runs a command as if it was typed. */
export function runTyped(
  definition: CommandDefinition,
  values: TypedValues,
  hre: HardhatRuntimeEnvironment,
): Promise<void> {
  return runCommand(definition, values, {
    open: () => createEnvironment(hre),
    withStack: hre.globalOptions.showStackTraces,
  });
}

/** Output other than the result goes to stderr. */
async function compose(
  definition: CommandDefinition,
  values: TypedValues,
  hre: HardhatRuntimeEnvironment,
): Promise<unknown> {
  const environment = createEnvironment(hre);
  try {
    checkRequired(definition, values, environment);
    const command = (await definition.load()).default as Command<TypedValues>;
    return await command(values, createTerminal({ json: true }), environment);
  } finally {
    environment.close();
  }
}
