import {
  type CommandDefinition,
  type CommandFamily,
  type Parameter,
  parametersOf,
} from "../definition.ts";
import { toKebabCase } from "../flags/letterCase.ts";
import { wrapWords } from "../terminal/wrapWords.ts";

/** Flags of every command. */
export const GLOBALS = {
  network: { kind: "option", description: "localhost (the default), testnet or mainnet" },
  help: { kind: "flag", description: "Explain the command" },
  version: { kind: "flag", description: "Print the version" },
  showStackTraces: { kind: "flag", description: "Show where an unexpected error came from" },
} as const satisfies Record<string, Parameter>;

const MAX_COLUMNS = 100;

/** The help of the program. */
export function renderOverview(
  families: readonly CommandFamily[],
  others: Readonly<Record<string, string>>,
  columns: number,
): string {
  const sections = families.map(({ title, commands }) =>
    section(
      title,
      commands.map(({ path, description }) => [path.join(" "), description]),
      columns,
    ),
  );
  const daemon = Object.entries(others);
  return [
    "Fine-tune models on other people's GPUs.",
    "Usage: anneal <command> [flags]",
    ...sections,
    ...(daemon.length > 0 ? [section("The daemon", daemon, columns)] : []),
    section("With every command", flagRows(GLOBALS), columns),
    "Flags of a command: anneal <command> --help",
  ].join("\n\n");
}

/** The help of one command. */
export function renderCommandHelp(command: CommandDefinition, columns: number): string {
  const words = parametersOf(command, "argument");
  const usage = [...command.path, "[flags]", ...words.map(([name]) => `[${name}]`)].join(" ");
  return [
    `${command.description}.`,
    `Usage: anneal ${usage}`,
    ...(words.length > 0
      ? [
          section(
            "Arguments",
            words.map(([name, { description }]) => [name, description]),
            columns,
          ),
        ]
      : []),
    section("Flags", flagRows(command.parameters), columns),
    section("With every command", flagRows(GLOBALS), columns),
  ].join("\n\n");
}

const flagRows = (parameters: Readonly<Record<string, Parameter>>) =>
  Object.entries(parameters).flatMap(([name, parameter]): [string, string][] => {
    if (parameter.kind === "argument") return [];
    const value = parameter.kind === "option" ? ` <${toKebabCase(name)}>` : "";
    const short = parameter.kind === "option" && parameter.short ? `, -${parameter.short}` : "";
    return [[`--${toKebabCase(name)}${short}${value}`, parameter.description]];
  });

/** A title and two columns of text, the right one wrapped. */
function section(
  title: string,
  rows: readonly (readonly [string, string])[],
  columns: number,
): string {
  const left = Math.max(...rows.map(([name]) => name.length)) + 4;
  const right = Math.max(20, Math.min(columns, MAX_COLUMNS) - left);
  const lines = rows.flatMap(([name, text]) =>
    wrapWords(text, right).map(
      (line, index) => `${index === 0 ? `  ${name}` : ""}`.padEnd(left) + line,
    ),
  );
  return [title, ...lines].join("\n");
}
