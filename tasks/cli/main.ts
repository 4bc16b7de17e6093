import { readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { parseArgs } from "node:util";
import { ProtocolError } from "../../sdk/errors.ts";
import type { CommandDefinition, Parameters } from "../definition.ts";
import { LOCAL } from "../Environment.ts";
import { commandAt, findMisspelling } from "../flags/checkSpelling.ts";
import { toCamelCase, toKebabCase } from "../flags/letterCase.ts";
import { twoLetterFlag } from "../flags/twoLetterFlag.ts";
import { commands, FAMILIES, families } from "../index.ts";
import { runCommand, type TypedValues } from "../runCommand.ts";
import { reportError } from "../terminal/reportError.ts";
import { createTerminal } from "../terminal/Terminal.ts";
import { createEnvironment } from "./environment.ts";
import { GLOBALS, renderCommandHelp, renderOverview } from "./renderHelp.ts";

const COLUMNS = 80;

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
  const mistake = twoLetterFlag(words) ?? findMisspelling(words, vocabulary(others));
  if (mistake) throw mistake;
  const names = new Set(commands.map(({ path }) => path[0]));
  const start = words.findIndex((word) => names.has(word));
  const definition = start === -1 ? undefined : commandAt(words.slice(start), commands);
  const { help, version, ...values } = readValues(words, start, definition);
  if (version) return print(packageVersion());
  if (!definition)
    return print(renderOverview(familiesOf(words[start]), start === -1 ? others : {}, width()));
  if (help) return print(renderCommandHelp(definition, width()));
  const { network = LOCAL, showStackTraces, ...own } = values;
  await runCommand(definition, own, {
    open: () => createEnvironment(String(network)),
    withStack: showStackTraces === true,
  });
}

const vocabulary = (others: Readonly<Record<string, string>>) => {
  const globals = Object.keys(GLOBALS);
  return { program: "npx anneal", commands, others: Object.keys(others), globals };
};

/** The commands of a family, if only its name was typed. */
const familiesOf = (typed: string | undefined) =>
  typed !== undefined && typed in FAMILIES
    ? families.filter(({ commands }) => commands.some(({ path }) => path[0] === typed))
    : families;

/**
 * Parses arguments that findMisspelling accepted. Every parameter has a value: false, "" or undefined if it was not
 * typed.
 */
function readValues(
  words: readonly string[],
  start: number,
  definition: CommandDefinition | undefined,
): TypedValues {
  const parameters: Parameters = { ...definition?.parameters, ...GLOBALS };
  const options = Object.entries(parameters).flatMap(([name, parameter]) =>
    parameter.kind === "argument" ? [] : [[toKebabCase(name), readAs(name, parameter)] as const],
  );
  const path = definition?.path.length ?? 0;
  const args = words.toSpliced(Math.max(start, 0), path);
  // Not strict: a value may start with a hyphen, as in --step -1.
  const config = { args, options: Object.fromEntries(options), allowPositionals: true };
  const parsed = parseArgs({ ...config, strict: false });
  const places = Object.keys(parameters).filter((name) => parameters[name]!.kind === "argument");
  const typed = definition ? parsed.positionals : [];
  if (typed.length > places.length)
    throw unexpectedArgumentError(definition!, typed[places.length]!);
  return {
    ...Object.fromEntries(
      Object.entries(parameters)
        .filter(([, { kind }]) => kind === "flag")
        .map(([name]) => [name, false]),
    ),
    ...Object.fromEntries(places.map((name, index) => [name, typed[index] ?? ""])),
    ...Object.fromEntries(
      Object.entries(parsed.values).map(([name, value]) => [toCamelCase(name), value as string]),
    ),
  };
}

function readAs(name: string, { kind, ...rest }: Parameters[string]) {
  const given = "short" in rest ? rest.short : undefined;
  const short = { help: "h", version: "v" }[name] ?? given;
  return { type: kind === "flag" ? "boolean" : "string", ...(short && { short }) } as const;
}

const unexpectedArgumentError = ({ path }: CommandDefinition, word: string) =>
  new ProtocolError(
    "usage",
    `Unexpected argument "${word}" for ${path.join(" ")}.`,
    `See what it takes: npx anneal ${path.join(" ")} --help`,
  );

function packageVersion(): string {
  const path = findPackageJSON(import.meta.url)!;
  return JSON.parse(readFileSync(path, "utf8")).version;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const width = () => process.stdout.columns ?? COLUMNS;
