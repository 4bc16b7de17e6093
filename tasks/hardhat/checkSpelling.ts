import type { HardhatRuntimeEnvironmentHooks } from "hardhat/types/hooks";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import { findMisspelling, type Vocabulary } from "../flags/checkSpelling.ts";
import { commands } from "../index.ts";
import { reportError } from "../terminal/reportError.ts";
import { createTerminal } from "../terminal/Terminal.ts";
import { typedWords } from "./typedWords.ts";

/** Global options that are not part of the runtime environment. */
const BUILT_IN = ["help", "version", "init", "config", "showStackTraces"];
/** First word of the commands if they have no flat names. */
const PREFIX = "anneal";

export default async (): Promise<Partial<HardhatRuntimeEnvironmentHooks>> => ({
  created: async (_, hre) => {
    const words = typedWords(process.argv);
    const mistake = words && findMisspelling(words, vocabularyOf(hre));
    if (!mistake) return;
    reportError(createTerminal({ json: words.includes("--json") }), mistake, false);
    process.exit();
  },
});

/** The vocabulary of a project: its own tasks, and our commands at their paths. */
export function vocabularyOf(
  hre: Pick<HardhatRuntimeEnvironment, "tasks" | "globalOptions">,
): Vocabulary {
  const { rootTasks } = hre.tasks;
  const below = commands.map((each) => ({ ...each, path: [PREFIX, ...each.path] }));
  const ours = [...commands, ...below].filter(({ path }) => rootTasks.has(path[0]!));
  const first = ours.map(({ path }) => path[0]);
  return {
    program: "npx hardhat",
    commands: ours,
    others: [...rootTasks.keys()].filter((name) => !first.includes(name)),
    globals: [...BUILT_IN, ...Object.keys(hre.globalOptions)],
  };
}
