import { readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import type { CommandDefinition, Parameters } from "../definition.ts";
import { LOCAL } from "../Environment.ts";
import { findMisspelling } from "../flags/checkSpelling.ts";
import { GLOBALS } from "../flags/options.ts";
import { findCommand, readWords } from "../flags/readWords.ts";
import { commandHelp, overview } from "../help/helpFor.ts";
import { commands, families } from "../index.ts";
import { runCommand, type TypedValues } from "../runCommand.ts";
import { reportError } from "../terminal/reportError.ts";
import { createTerminal } from "../terminal/Terminal.ts";
import { createEnvironment } from "./environment.ts";

const PROGRAM = "npx anneal";
const globals = { ...GLOBALS, version: { ...GLOBALS.version, short: "v" } };

/**
 * The commands without Hardhat.
 * @param words the arguments of the program
 * @param others commands that are handled elsewhere, with their descriptions
 */
export async function main(
  words: readonly string[],
  others: Readonly<Record<string, string>>,
): Promise<void> {
  try {
    await answer(words, others);
  } catch (error) {
    reportError(createTerminal({ json: words.includes("--json") }), error, false);
  }
}

async function answer(
  words: readonly string[],
  others: Readonly<Record<string, string>>,
): Promise<void> {
  const offered = { program: PROGRAM, families, others };
  const help = commandHelp(words, offered);
  if (help) return print(help);
  const vocabulary = { program: PROGRAM, commands, others: Object.keys(others), globals };
  const mistake = findMisspelling(words, vocabulary);
  if (mistake) throw mistake;
  const found = findCommand(words, commands);
  const definition = found?.command;
  const typed = found ? words.toSpliced(found.start, found.command.path.length) : words;
  const { version, network = LOCAL, showStackTraces, ...own } = readValues(typed, definition);
  if (version) return print(packageVersion());
  if (!definition) return print(overview(words, offered) ?? "");
  await runCommand(definition, own, {
    open: () => createEnvironment(String(network)),
    withStack: showStackTraces === true,
  });
}

/**
 * The values of a command line that findMisspelling accepted. Every flag and argument has one: false or "" if it was
 * not typed.
 */
function readValues(
  words: readonly string[],
  definition: CommandDefinition | undefined,
): TypedValues {
  const parameters: Parameters = { ...definition?.parameters, ...globals };
  const values: Record<string, string | boolean> = {};
  for (const [name, { kind }] of Object.entries(parameters)) {
    if (kind === "flag") values[name] = false;
    if (kind === "argument") values[name] = "";
  }
  const places = Object.keys(parameters).filter((name) => parameters[name]!.kind === "argument");
  for (const word of readWords(words, parameters)) {
    if (word.kind === "argument") values[places.shift() ?? ""] = word.typed;
    else if (word.known) values[word.known[0]] = word.value ?? true;
  }
  return values;
}

function packageVersion(): string {
  const path = findPackageJSON(import.meta.url)!;
  return JSON.parse(readFileSync(path, "utf8")).version;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
