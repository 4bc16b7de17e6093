import type { CommandDefinition, CommandFamily, Parameter, Parameters } from "../definition.ts";
import { GLOBALS } from "../flags/options.ts";
import { examplesOf, fullForm, usageOf } from "../flags/typedForm.ts";
import { wrapWords } from "../terminal/wrapWords.ts";

/** What help is for, and how wide it may be. */
export interface HelpSetting {
  /** "npx hardhat". */
  readonly program: string;
  /** Characters per line. */
  readonly columns: number;
}

/** Parameters under one heading, those first without which the command does not start. */
export interface ParameterGroup {
  readonly title: string;
  readonly parameters: readonly (readonly [name: string, parameter: Parameter])[];
}

type Row = readonly [name: string, text: string];

const { version: _, ...OF_COMMANDS } = GLOBALS;

const MAX_COLUMNS = 100;
/** Longer names have a line of their own. */
const MAX_NAME = 31;

/** The help of the program, or of one family of commands. */
export function renderOverview(
  families: readonly CommandFamily[],
  { others, ...setting }: HelpSetting & { readonly others: Readonly<Record<string, string>> },
): string {
  const sections = families.map(({ title, commands }) =>
    section(
      title,
      commands.map(({ path, description }) => [path.join(" "), description]),
      setting,
    ),
  );
  const more = Object.entries(others);
  return [
    "Fine-tune models on other people's GPUs.",
    `Usage: ${setting.program} <command> [flags]`,
    ...sections,
    ...(more.length > 0 ? [section("More commands", more, setting)] : []),
    section("With every command", rowsOf(GLOBALS), setting),
    `Flags and examples of a command: ${setting.program} <command> --help`,
  ].join("\n\n");
}

/** The help of one command. */
export function renderCommandHelp(command: CommandDefinition, setting: HelpSetting): string {
  const line = (text: string, indent: string) =>
    `${indent}${wrapCommand(`${setting.program} ${text}`, setting).join(` \\\n${indent}    `)}`;
  const examples = examplesOf(command).map((text) => line(text, "  "));
  const usage = wrapCommand(`Usage: ${setting.program} ${usageOf(command)} [flags]`, setting);
  return [
    `${command.description}.`,
    usage.join("\n    "),
    ...groupsOf(command).map(({ title, parameters }) =>
      section(title, rowsOf(Object.fromEntries(parameters)), setting),
    ),
    section("With every command", rowsOf(OF_COMMANDS), setting),
    ["Examples", ...examples].join("\n"),
  ].join("\n\n");
}

/** The parameters of a command under their headings. */
export function groupsOf({ parameters }: CommandDefinition): ParameterGroup[] {
  const groups = Map.groupBy(Object.entries(parameters), ([, parameter]) => headingOf(parameter));
  return [...groups].map(([title, members]) => ({
    title,
    parameters: members.toSorted(([, a], [, b]) => Number(!a.required) - Number(!b.required)),
  }));
}

function headingOf({ kind, group }: Parameter): string {
  return group ?? (kind === "argument" ? "Arguments" : "Flags");
}

/** What a parameter is for, and whether it is required. */
export const describeParameter = ({ required, description }: Parameter) =>
  required ? `(required) ${description}` : description;

const rowsOf = (parameters: Parameters): Row[] =>
  Object.entries(parameters).map(([name, parameter]) => [
    fullForm(name, parameter),
    describeParameter(parameter),
  ]);

/** A title and two columns of text, the right one wrapped. */
function section(title: string, rows: readonly Row[], { columns }: HelpSetting): string {
  const left = Math.min(MAX_NAME, Math.max(...rows.map(([name]) => name.length))) + 4;
  const right = Math.max(20, Math.min(columns, MAX_COLUMNS) - left);
  const lines = rows.flatMap(([name, text]) => {
    const wrapped = wrapWords(text, right);
    const beside = name.length + 4 <= left ? [wrapped.shift()] : [];
    return [
      beside.length > 0 ? `  ${name}`.padEnd(left) + beside[0] : `  ${name}`,
      ...wrapped.map((line) => " ".repeat(left) + line),
    ];
  });
  return [title, ...lines].join("\n");
}

/** A command line in lines that break before a flag. */
function wrapCommand(text: string, { columns }: HelpSetting): string[] {
  const width = Math.min(columns, MAX_COLUMNS) - 8;
  const [first = "", ...parts] = text.split(/ (?=-)/);
  const lines = [first];
  for (const part of parts) {
    const extended = `${lines.at(-1)} ${part}`;
    if (extended.length > width) lines.push(part);
    else lines[lines.length - 1] = extended;
  }
  return lines;
}
