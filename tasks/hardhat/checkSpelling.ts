import { basename } from "node:path";
import { ArgumentType } from "hardhat/types/arguments";
import type { HardhatRuntimeEnvironmentHooks } from "hardhat/types/hooks";
import type { Task } from "hardhat/types/tasks";
import { didYouMean } from "../../sdk/didYouMean.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { toCamelCase, toKebabCase } from "../flags/letterCase.ts";
import { reportError } from "./run.ts";
import { createTerminal } from "../terminal/Terminal.ts";

/** Global options that are no part of the runtime environment. */
const BUILT_IN = ["help", "version", "init", "config", "showStackTraces"];

export default async (): Promise<Partial<HardhatRuntimeEnvironmentHooks>> => ({
  created: async (_, hre) => {
    const [, program = "", ...words] = process.argv;
    if (!["hardhat", "cli.js"].includes(basename(program))) return; // a script that merely uses Hardhat
    const globals = [...BUILT_IN, ...Object.keys(hre.globalOptions)];
    const mistake = findMisspelling(words, hre.tasks.rootTasks, globals);
    if (!mistake) return;
    reportError(createTerminal({ json: words.includes("--json") }), mistake, false);
    process.exit();
  },
});

/** The first misspelling among the words of a command line, or undefined. */
export function findMisspelling(
  words: readonly string[],
  tasks: ReadonlyMap<string, Task>,
  globals: readonly string[],
): ProtocolError | undefined {
  const start = words.findIndex((word) => tasks.has(word));
  if (start === -1) return findUnknownCommand(words, [...tasks.keys()]);
  const family = tasks.get(words[start]!)!;
  const verb = words[start + 1];
  if (family.isEmpty && verb !== undefined && !verb.startsWith("-") && !family.subtasks.has(verb)) {
    return unknownVerb(verb, family);
  }
  const task = family.subtasks.get(verb ?? "") ?? family;
  if (!task.options.has("json")) return undefined; // not one of ours
  const end = words.indexOf("--");
  return checkFlags(words.slice(0, end === -1 ? undefined : end), task, globals);
}

/** A word that follows an option may be its value, so that only others are taken for a command. */
function findUnknownCommand(words: readonly string[], names: string[]): ProtocolError | undefined {
  const word = words.find((each, i) => !each.startsWith("-") && !words[i - 1]?.startsWith("-"));
  if (word === undefined) return undefined;
  return misspelt(`There is no command "${word}".`, word, names, "npx hardhat --help");
}

function unknownVerb(verb: string, { id, subtasks }: Task): ProtocolError {
  const family = id.join(" ");
  const help = `npx hardhat ${family} --help`;
  return misspelt(`${family} has no command "${verb}".`, verb, [...subtasks.keys()], help);
}

function checkFlags(
  words: readonly string[],
  task: Task,
  globals: readonly string[],
): ProtocolError | undefined {
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    if (!/^-(-|[a-z]$)/.test(word)) continue;
    const [flag = "", value] = word.split("=", 2);
    const option = findOption(flag, task);
    if (!option) {
      if (isGlobal(flag, globals)) continue;
      return unknownFlag(flag, task, globals);
    }
    const next = words[index + 1];
    if (option.type === ArgumentType.FLAG) {
      if (value !== undefined || /^(true|false)$/.test(next ?? "")) return takesNoValue(flag);
      continue;
    }
    if (value !== undefined) continue;
    if (next === undefined) return lacksValue(flag, task);
    index += 1; // its value, which may begin with a hyphen
  }
  return undefined;
}

const findOption = (flag: string, { options }: Task) =>
  flag.startsWith("--")
    ? options.get(toCamelCase(flag.slice(2)))
    : [...options.values()].find(({ shortName }) => shortName === flag.slice(1));

/** -h and -v are Hardhat's own. */
const isGlobal = (flag: string, globals: readonly string[]) =>
  flag.startsWith("--") ? globals.includes(toCamelCase(flag.slice(2))) : /^-[hv]$/.test(flag);

function unknownFlag(flag: string, { id, options }: Task, globals: readonly string[]) {
  const command = id.join(" ");
  const known = [...options.keys(), ...globals].map((each) => `--${toKebabCase(each)}`);
  const help = `npx hardhat ${command} --help`;
  return misspelt(`${command} has no flag ${flag}.`, flag, flag.length > 2 ? known : [], help);
}

function lacksValue(flag: string, { id }: Task): ProtocolError {
  const hint = `See what it takes: npx hardhat ${id.join(" ")} --help`;
  return new ProtocolError("usage", `${flag} lacks its value.`, hint);
}

const takesNoValue = (flag: string) =>
  new ProtocolError(
    "usage",
    `${flag} takes no value.`,
    `Write ${flag} for yes; leave it out for no.`,
  );

function misspelt(message: string, word: string, names: readonly string[], help: string) {
  const closest = didYouMean(word, names);
  const hint = closest ? `Did you mean "${closest}"?` : `See them all: ${help}`;
  return new ProtocolError("usage", message, hint);
}
