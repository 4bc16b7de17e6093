import type { CommandDefinition, Parameter, Parameters } from "../definition.ts";
import { toKebabCase } from "./letterCase.ts";

/** A flag in a command line. */
export interface TypedFlag {
  readonly kind: "flag";
  readonly typed: string;
  /** Its name in camel case, and what it is; undefined if there is no such flag. */
  readonly known: readonly [name: string, parameter: Parameter] | undefined;
  /** After its equals sign, or the next word if it takes a value; undefined without a value. */
  readonly value: string | undefined;
  /** The word after it. */
  readonly next: string | undefined;
}

/** Any other word of a command line. */
export interface TypedArgument {
  readonly kind: "argument";
  readonly typed: string;
  /** The word before it. */
  readonly before: string | undefined;
}

/**
 * Reads the words of a command line, without the command. Options are followed by their values, which may start with a
 * hyphen; after `--`, all words are arguments.
 */
export function* readWords(
  words: readonly string[],
  parameters: Parameters,
): Generator<TypedFlag | TypedArgument> {
  const end = words.indexOf("--");
  const last = end === -1 ? words.length : end;
  for (let index = 0; index < last; index++) {
    const word = words[index]!;
    if (!isFlag(word)) {
      yield { kind: "argument", typed: word, before: words[index - 1] };
      continue;
    }
    const [typed = "", assigned] = word.startsWith("--") ? word.split(/=(.*)/s) : [word];
    const known = findParameter(typed, parameters);
    const next = index + 1 < last ? words[index + 1] : undefined;
    const takesNext =
      known?.[1].kind === "option" && assigned === undefined && !isKnownName(next, parameters);
    yield { kind: "flag", typed, known, next, value: takesNext ? next : assigned };
    if (takesNext) index += 1;
  }
  for (const word of words.slice(last + 1))
    yield { kind: "argument", typed: word, before: undefined };
}

/** The command in a command line, and the index of its first word. */
export function findCommand(
  words: readonly string[],
  commands: readonly CommandDefinition[],
): { readonly command: CommandDefinition; readonly start: number } | undefined {
  const names = new Set(commands.map(({ path }) => path[0]));
  const start = words.findIndex((word) => names.has(word));
  const command = commandAt(words.slice(Math.max(start, 0)), commands);
  return command && { command, start };
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

const isFlag = (word: string) => /^-./.test(word);

/** The long name of a flag is not the value of the flag before it. */
const isKnownName = (word: string | undefined, parameters: Parameters) =>
  word?.startsWith("--") && findParameter(word, parameters) !== undefined;

function findParameter(typed: string, parameters: Parameters): TypedFlag["known"] {
  return Object.entries(parameters).find(([name, parameter]) => {
    if (parameter.kind === "argument") return false;
    return typed.startsWith("--")
      ? typed === `--${toKebabCase(name)}`
      : parameter.short !== undefined && typed === `-${parameter.short}`;
  });
}
