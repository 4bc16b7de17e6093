import type { CommandDefinition, Parameter } from "../definition.ts";
import { toKebabCase } from "./letterCase.ts";

/** "-m, --model <NAME>", or "<TASK>" for an argument. */
export function fullForm(name: string, parameter: Parameter): string {
  const short = "short" in parameter && parameter.short ? `-${parameter.short}, ` : "";
  return `${short}${typedForm(name, parameter)}`;
}

/** "--model <NAME>", "--json", or "<TASK>" for an argument. */
function typedForm(name: string, parameter: Parameter): string {
  const typed = typedName(name, parameter);
  return parameter.kind === "option" ? `${typed} <${valueNameOf(name, parameter)}>` : typed;
}

/** "--model", or "<TASK>" for an argument. */
export function typedName(name: string, parameter: Parameter): string {
  return parameter.kind === "argument"
    ? `<${valueNameOf(name, parameter)}>`
    : `--${toKebabCase(name)}`;
}

function valueNameOf(name: string, { value }: { readonly value?: string }): string {
  return value ?? toKebabCase(name).split("-").at(-1)!.toUpperCase();
}

/** A command with its required parameters: "deposit --amount <OG>". */
export function usageOf({ path, parameters }: CommandDefinition): string {
  const needed = Object.entries(parameters).filter(([, { required }]) => required);
  return [...path, ...needed.map(([name, parameter]) => typedForm(name, parameter))].join(" ");
}

/** Complete lines of a command, without the program. */
export function examplesOf(definition: CommandDefinition): string[] {
  const { path, examples } = definition;
  if (examples.length === 0) return [usageOf(definition)];
  return examples.map((example) => [...path, example].join(" "));
}
