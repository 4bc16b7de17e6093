import { ProtocolError } from "../../sdk/errors.ts";
import type { CommandDefinition, Parameter } from "../definition.ts";
import type { Environment } from "../Environment.ts";
import { examplesOf, typedName } from "./typedForm.ts";

/** @throws ProtocolError "usage" with all required parameters that have no value, and a complete example. */
export function checkRequired(
  definition: CommandDefinition,
  values: Readonly<Record<string, unknown>>,
  { command }: Pick<Environment, "command">,
): void {
  const missing = Object.entries(definition.parameters).filter(
    ([name, { required }]) => required && !values[name],
  );
  if (missing.length === 0) return;
  const example = `For example: ${command(examplesOf(definition)[0]!)}`;
  throw new ProtocolError("usage", sentenceFor(missing), example);
}

/** One that is missing is described, too. */
function sentenceFor(missing: readonly [name: string, parameter: Parameter][]): string {
  const names = missing.map(([name, parameter]) => typedName(name, parameter));
  if (missing.length > 1) return `${new Intl.ListFormat("en-GB").format(names)} are missing.`;
  const { description } = missing[0]![1];
  const what = description.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
  return `${names[0]} is missing: ${what}.`;
}
