import { didYouMean } from "../../sdk/didYouMean.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import type { CommandDefinition, Parameter } from "../definition.ts";
import { toCamelCase, toKebabCase } from "./letterCase.ts";

/** All commands and flags of a program. */
export interface Vocabulary {
  /** "npx hardhat". */
  readonly program: string;
  readonly commands: readonly CommandDefinition[];
  /** First words of other commands, whose flags are not checked. */
  readonly others: readonly string[];
  /** Flags of every command, in camel case. */
  readonly globals: readonly string[];
}

/** The first misspelling among the words of a command line, or undefined. */
export function findMisspelling(
  words: readonly string[],
  vocabulary: Vocabulary,
): ProtocolError | undefined {
  const { commands, others } = vocabulary;
  const names = [...new Set([...commands.map(({ path }) => path[0]!), ...others])];
  const start = words.findIndex((word) => names.includes(word));
  if (start === -1) return findUnknownCommand(words, names, vocabulary);
  if (others.includes(words[start]!)) return undefined;
  const found = commandAt(words.slice(start), commands);
  if (found) {
    const end = words.indexOf("--");
    return checkFlags(words.slice(0, end === -1 ? undefined : end), found, vocabulary);
  }
  return findUnknownVerb(words.slice(start), vocabulary);
}

/** The command at the start of the words: the longest path that matches. */
export function commandAt(
  words: readonly string[],
  commands: readonly CommandDefinition[],
): CommandDefinition | undefined {
  return commands
    .filter(({ path }) => path.every((word, index) => words[index] === word))
    .toSorted((a, b) => b.path.length - a.path.length)[0];
}

/** A word after an option may be its value, so only other words count as commands. */
function findUnknownCommand(
  words: readonly string[],
  names: readonly string[],
  { program }: Vocabulary,
): ProtocolError | undefined {
  const word = words.find((each, i) => !each.startsWith("-") && !words[i - 1]?.startsWith("-"));
  if (word === undefined) return undefined;
  return misspellingError(`There is no command "${word}".`, word, names, `${program} --help`);
}

/** An unknown command of a family. A family alone, or with flags, is valid. */
function findUnknownVerb(
  words: readonly string[],
  { program, commands }: Vocabulary,
): ProtocolError | undefined {
  const isFamily = (path: readonly string[]) =>
    commands.some((each) => path.every((word, index) => each.path[index] === word));
  let depth = 1;
  while (words[depth] !== undefined && isFamily(words.slice(0, depth + 1))) depth++;
  const verb = words[depth];
  if (verb === undefined || verb.startsWith("-")) return undefined;
  const family = words.slice(0, depth);
  const verbs = commands
    .filter(({ path }) => path.length > depth && family.every((word, i) => path[i] === word))
    .map(({ path }) => path[depth]!);
  const help = `${program} ${family.join(" ")} --help`;
  return misspellingError(`${family.join(" ")} has no command "${verb}".`, verb, verbs, help);
}

function checkFlags(
  words: readonly string[],
  command: CommandDefinition,
  vocabulary: Vocabulary,
): ProtocolError | undefined {
  for (const flag of typedFlags(words, command)) {
    const error = checkFlag(flag, command, vocabulary);
    if (error) return error;
  }
  return undefined;
}

interface TypedFlag {
  readonly typed: string;
  /** The text after its equals sign. */
  readonly value: string | undefined;
  /** The word after it. */
  readonly next: string | undefined;
  /** Undefined if the command has no such flag. */
  readonly parameter: Parameter | undefined;
}

/** The words that are flags and not the value of the previous flag. */
function* typedFlags(words: readonly string[], command: CommandDefinition): Generator<TypedFlag> {
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    if (!/^-(-|[a-z]$)/.test(word)) continue;
    const [typed = "", value] = word.split("=", 2);
    const parameter = findParameter(typed, command);
    yield { typed, value, next: words[index + 1], parameter };
    // Its value may start with a hyphen.
    if (parameter?.kind === "option" && value === undefined) index += 1;
  }
}

function checkFlag(
  { typed, value, next, parameter }: TypedFlag,
  command: CommandDefinition,
  vocabulary: Vocabulary,
): ProtocolError | undefined {
  if (!parameter) {
    return isGlobal(typed, vocabulary) ? undefined : unknownFlagError(typed, command, vocabulary);
  }
  if (parameter.kind === "flag") {
    const hasValue = value !== undefined || /^(true|false)$/.test(next ?? "");
    return hasValue ? unexpectedValueError(typed) : undefined;
  }
  return (value ?? next) === undefined ? missingValueError(typed, command, vocabulary) : undefined;
}

function findParameter(typed: string, { parameters }: CommandDefinition): Parameter | undefined {
  const found = typed.startsWith("--")
    ? parameters[toCamelCase(typed.slice(2))]
    : Object.values(parameters).find(
        (each) => each.kind === "option" && each.short === typed.slice(1),
      );
  return found?.kind === "argument" ? undefined : found;
}

/** -h and -v are in every program. */
const isGlobal = (typed: string, { globals }: Vocabulary) =>
  typed.startsWith("--") ? globals.includes(toCamelCase(typed.slice(2))) : /^-[hv]$/.test(typed);

function unknownFlagError(
  typed: string,
  { path, parameters }: CommandDefinition,
  { program, globals }: Vocabulary,
): ProtocolError {
  const name = path.join(" ");
  const known = [...Object.keys(parameters), ...globals].map((each) => `--${toKebabCase(each)}`);
  const help = `${program} ${name} --help`;
  return misspellingError(
    `${name} has no flag ${typed}.`,
    typed,
    typed.length > 2 ? known : [],
    help,
  );
}

function missingValueError(typed: string, { path }: CommandDefinition, { program }: Vocabulary) {
  const hint = `See what it takes: ${program} ${path.join(" ")} --help`;
  return new ProtocolError("usage", `Missing value for ${typed}.`, hint);
}

const unexpectedValueError = (typed: string) =>
  new ProtocolError(
    "usage",
    `${typed} takes no value.`,
    `Write ${typed} for yes; leave it out for no.`,
  );

function misspellingError(message: string, word: string, names: readonly string[], help: string) {
  const closest = didYouMean(word, names);
  const hint = closest ? `Did you mean "${closest}"?` : `See them all: ${help}`;
  return new ProtocolError("usage", message, hint);
}
