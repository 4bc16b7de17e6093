import type { HardhatRuntimeEnvironmentHooks } from "hardhat/types/hooks";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import type { CommandDefinition, CommandFamily, Parameters } from "../definition.ts";
import { findMisspelling, type Vocabulary } from "../flags/checkSpelling.ts";
import { GLOBALS } from "../flags/options.ts";
import { commandHelp, type Offered, overview } from "../help/helpFor.ts";
import { FAMILIES, families } from "../index.ts";
import { reportError } from "../terminal/reportError.ts";
import { createTerminal } from "../terminal/Terminal.ts";
import { typedWords } from "./typedWords.ts";

const PROGRAM = "npx hardhat";
/** First word of the commands if they have no flat names. */
const PREFIX = "anneal";

type Project = Pick<HardhatRuntimeEnvironment, "tasks" | "globalOptions">;

/** Before Hardhat reads a command line of ours, explains it if it asks for help, and refuses it if it has a mistake. */
export default async (): Promise<Partial<HardhatRuntimeEnvironmentHooks>> => ({
  created: async (_, hre) => {
    const words = typedWords(process.argv);
    if (!words) return;
    const offered = offeredIn(hre);
    const help = commandHelp(words, offered);
    if (help) await printAndExit(help);
    const mistake = findMisspelling(words, vocabularyOf(hre));
    if (mistake) {
      reportError(createTerminal({ json: words.includes("--json") }), mistake, false);
      process.exit();
    }
    const incomplete = overview(words, offered);
    if (incomplete) await printAndExit(incomplete);
  },
});

/** The vocabulary of a project: its own tasks, and our commands at their paths. */
export function vocabularyOf(hre: Project): Vocabulary {
  const { families: ours, others } = offeredIn(hre);
  return {
    program: PROGRAM,
    commands: ours.flatMap(({ commands }) => commands),
    others: Object.keys(others),
    globals: globalsOf(hre),
  };
}

function offeredIn({ tasks: { rootTasks } }: Project): Offered {
  const place = (command: CommandDefinition): CommandDefinition => {
    const path = isFlat({ rootTasks }) || command.path[0]! in FAMILIES ? [] : [PREFIX];
    return { ...command, path: [...path, ...command.path] };
  };
  const ours: CommandFamily[] = families.map(({ title, commands }) => ({
    title,
    commands: commands.map(place),
  }));
  const first = new Set(ours.flatMap(({ commands }) => commands.map(({ path }) => path[0])));
  const others = [...rootTasks].filter(([name]) => !first.has(name));
  return {
    program: PROGRAM,
    families: ours,
    others: Object.fromEntries(others.map(([name, { description }]) => [name, description])),
  };
}

const isFlat = ({ rootTasks }: Pick<Project["tasks"], "rootTasks">) => !rootTasks.has(PREFIX);

/** Hardhat's own flags; those with a value have another default than false. */
function globalsOf({ globalOptions }: Project): Parameters {
  const of = (kind: "flag" | "option") => ({ kind, description: "" }) as const;
  const { help, network, showStackTraces } = GLOBALS;
  return {
    ...{ config: of("option"), init: of("flag"), version: of("flag") },
    ...Object.fromEntries(
      Object.entries(globalOptions).map(([name, value]) => [
        name,
        of(typeof value === "boolean" ? "flag" : "option"),
      ]),
    ),
    ...{ help, network, showStackTraces },
  };
}

async function printAndExit(text: string): Promise<never> {
  await new Promise<void>((done) => process.stdout.write(`${text}\n`, () => done()));
  process.exit(0);
}
