import { basename } from "node:path";
import { ArgumentType } from "hardhat/types/arguments";
import type { HardhatRuntimeEnvironmentHooks } from "hardhat/types/hooks";
import type { Task } from "hardhat/types/tasks";
import { didYouMean } from "../sdk/didYouMean.ts";
import { ProtocolError } from "../sdk/errors.ts";
import { reportError } from "./run.ts";
import { createTerminal } from "./terminal.ts";

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
  const task = words.map((word) => tasks.get(word)).find((found) => found !== undefined);
  if (!task) return findUnknownCommand(words, [...tasks.keys()]);
  if (!task.options.has("json")) return undefined; // not one of ours
  const end = words.indexOf("--");
  const flags = words.slice(0, end === -1 ? undefined : end);
  for (const [index, word] of flags.entries()) {
    if (!word.startsWith("--")) continue;
    const mistake = checkFlag(word, flags[index + 1], task, globals);
    if (mistake) return mistake;
  }
  return undefined;
}

/** A word that follows an option may be its value, so that only others are taken for a command. */
function findUnknownCommand(words: readonly string[], names: string[]): ProtocolError | undefined {
  const word = words.find((each, i) => !each.startsWith("-") && !words[i - 1]?.startsWith("-"));
  if (word === undefined) return undefined;
  const closest = didYouMean(word, names);
  return new ProtocolError(
    "usage",
    `There is no command "${word}".`,
    closest ? `Did you mean "${closest}"?` : "See them all: npx hardhat --help",
  );
}

function checkFlag(
  word: string,
  next: string | undefined,
  task: Task,
  globals: readonly string[],
): ProtocolError | undefined {
  const [flag = "", value] = word.split("=", 2);
  const name = toCamelCase(flag.slice(2));
  const option = task.options.get(name);
  const command = task.id.join(" ");
  if (option) {
    const lacksValue =
      option.type !== ArgumentType.FLAG && value === undefined && next === undefined;
    if (!lacksValue) return undefined;
    return new ProtocolError(
      "usage",
      `${flag} lacks its value.`,
      `See what it takes: npx hardhat ${command} --help`,
    );
  }
  if (globals.includes(name)) return undefined;
  const known = [...task.options.keys(), ...globals].map((each) => `--${toKebabCase(each)}`);
  const closest = didYouMean(flag, known);
  return new ProtocolError(
    "usage",
    `${command} has no flag ${flag}.`,
    closest ? `Did you mean "${closest}"?` : `See them all: npx hardhat ${command} --help`,
  );
}

const toCamelCase = (text: string) =>
  text.replaceAll(/-(\w)/g, (_, letter) => letter.toUpperCase());
const toKebabCase = (text: string) =>
  text.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
