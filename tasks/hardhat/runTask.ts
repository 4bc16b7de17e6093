import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import type { Command, CommandDefinition } from "../definition.ts";
import { runCommand, type TypedValues } from "../runCommand.ts";
import { createTerminal } from "../terminal/Terminal.ts";
import { createEnvironment } from "./environment.ts";
import { typedWords } from "./typedWords.ts";

type Action = (values: TypedValues, hre: HardhatRuntimeEnvironment) => Promise<unknown>;

/**
 * What Hardhat runs. Typed by somebody, a command prints its result or its error itself, because Hardhat would print
 * the error in its own way and always exit 1. Run by a program, it returns its document and throws.
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

/** What is said beside the result goes to stderr. */
async function compose(
  { load }: CommandDefinition,
  values: TypedValues,
  hre: HardhatRuntimeEnvironment,
): Promise<unknown> {
  const environment = createEnvironment(hre);
  try {
    const command = (await load()).default as Command<TypedValues>;
    return await command(values, createTerminal({ json: true }), environment);
  } finally {
    environment.close();
  }
}
