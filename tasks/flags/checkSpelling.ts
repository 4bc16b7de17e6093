import { didYouMean } from "../../sdk/didYouMean.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import type { CommandDefinition, Parameters } from "../definition.ts";
import { toKebabCase } from "./letterCase.ts";
import { commandAt, readWords, type TypedArgument, type TypedFlag } from "./readWords.ts";

/** All commands and flags of a program. */
export interface Vocabulary {
  /** "npx hardhat". */
  readonly program: string;
  readonly commands: readonly CommandDefinition[];
  /** First words of other commands, whose flags are not checked. */
  readonly others: readonly string[];
  /** Flags of every command. */
  readonly globals: Parameters;
}

/** Together's short flags with two letters. */
const TWO_LETTERS: Readonly<Record<string, string>> = {
  "-ne": "--n-epochs",
  "-lr": "--learning-rate",
};

/** The first mistake in the words of a command line, or undefined. */
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
  if (!found) return findUnknownVerb(words.slice(start), vocabulary);
  const early = findEarlyFlag(words.slice(0, start), found, vocabulary);
  return early ?? checkWords(words.slice(start + found.path.length), found, vocabulary);
}

/** A word after an option may be its value, so only other words count as commands. */
function findUnknownCommand(
  words: readonly string[],
  names: readonly string[],
  { program, globals }: Vocabulary,
): ProtocolError | undefined {
  const help = `${program} --help`;
  for (const { kind, typed, ...rest } of readWords(words, globals)) {
    if (kind === "argument")
      return misspellingError(`There is no command "${typed}".`, typed, names, help);
    if ("known" in rest && !rest.known)
      return misspellingError(`There is no flag ${typed}.`, typed, flagNames(globals), help);
  }
  return undefined;
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

/** A flag of a command in front of it. */
function findEarlyFlag(
  words: readonly string[],
  { path }: CommandDefinition,
  { globals }: Vocabulary,
): ProtocolError | undefined {
  for (const word of readWords(words, globals)) {
    if (word.kind !== "flag" || word.known) continue;
    return new ProtocolError(
      "usage",
      `${word.typed} is in front of the command.`,
      `Write it after ${path.join(" ")}.`,
    );
  }
  return undefined;
}

function checkWords(
  words: readonly string[],
  command: CommandDefinition,
  vocabulary: Vocabulary,
): ProtocolError | undefined {
  const places = Object.values(command.parameters).filter(({ kind }) => kind === "argument");
  const names = new Set<string>();
  let filled = 0;
  for (const word of readWords(words, { ...command.parameters, ...vocabulary.globals })) {
    if (word.kind === "argument") {
      filled += 1;
      if (filled > places.length) return unexpectedArgumentError(word, command, vocabulary);
      continue;
    }
    const error = checkFlag(word, names, command, vocabulary);
    if (error) return error;
  }
  return undefined;
}

/** @param names of the flags before it */
function checkFlag(
  { typed, known, value, next }: TypedFlag,
  names: Set<string>,
  command: CommandDefinition,
  vocabulary: Vocabulary,
): ProtocolError | undefined {
  if (!known) return unknownFlagError(typed, command, vocabulary);
  const [name, { kind }] = known;
  if (names.has(name))
    return new ProtocolError("usage", `${typed} is given twice.`, "Give it once.");
  names.add(name);
  if (kind === "option")
    return value === undefined ? missingValueError(typed, command, vocabulary) : undefined;
  const hasValue = value !== undefined || /^(true|false)$/.test(next ?? "");
  return hasValue ? unexpectedValueError(typed) : undefined;
}

/** The error for a flag that a command does not have. */
export function unknownFlagError(
  typed: string,
  { path, parameters }: CommandDefinition,
  { program, globals }: Pick<Vocabulary, "program" | "globals">,
): ProtocolError {
  const name = path.join(" ");
  const help = `${program} ${name} --help`;
  const known = flagNames({ ...parameters, ...globals });
  if (typed.startsWith("--"))
    return misspellingError(`${name} has no flag ${typed}.`, typed, known, help);
  const isShort = typed.length === 2;
  const same = isShort ? flagNames(parameters).filter((each) => each.startsWith(`-${typed}`)) : [];
  const meant = [TWO_LETTERS[typed], ...(same.length === 1 ? same : [])].find(
    (each) => each && known.includes(each),
  );
  return new ProtocolError(
    "usage",
    isShort
      ? `${name} has no flag ${typed}.`
      : `Unknown flag ${typed}: short flags have one letter.`,
    meant ? `Use ${meant}.` : `See them all: ${help}`,
  );
}

const flagNames = (parameters: Parameters) =>
  Object.entries(parameters)
    .filter(([, { kind }]) => kind !== "argument")
    .map(([name]) => `--${toKebabCase(name)}`);

/** A value after a short flag that takes none shows that another flag was meant. */
function unexpectedArgumentError(
  { typed, before }: TypedArgument,
  command: CommandDefinition,
  vocabulary: Vocabulary,
): ProtocolError {
  if (before !== undefined && /^-\w$/.test(before))
    return unknownFlagError(before, command, vocabulary);
  const name = command.path.join(" ");
  return new ProtocolError(
    "usage",
    `Unexpected argument "${typed}" for ${name}.`,
    `See what it takes: ${vocabulary.program} ${name} --help`,
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
