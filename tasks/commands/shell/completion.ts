import { didYouMean } from "../../../sdk/didYouMean.ts";
import { ProtocolError } from "../../../sdk/errors.ts";
import type { Command, CommandDefinition } from "../../definition.ts";
import { toKebabCase } from "../../flags/letterCase.ts";
import { type CompletedCommand, completionScripts } from "./completionScripts.ts";

interface Flags {
  readonly shell: string;
  readonly json: boolean;
}

/**
 * The command that prints the script. The script contains all commands and flags, so that completion starts no program.
 */
export function completionOf(
  commands: readonly CommandDefinition[],
  families: Readonly<Record<string, string>>,
): Command<Flags> {
  const parents = Object.entries(families).map(([name, description]) => ({
    path: [name],
    description,
    options: [],
  }));
  return async ({ shell }, terminal) => {
    const write = completionScripts.get(shell);
    if (!write) throw unknownShellError(shell);
    const script = write([...parents, ...commands.map(describeCommand)]);
    if (!terminal.json) terminal.say(script);
    return { shell, script };
  };
}

const describeCommand = ({
  path,
  description,
  parameters,
}: CommandDefinition): CompletedCommand => ({
  path,
  description,
  options: Object.entries(parameters).flatMap(([name, parameter]) =>
    parameter.kind === "argument"
      ? []
      : [
          {
            flag: `--${toKebabCase(name)}`,
            short: parameter.short && `-${parameter.short}`,
            description: parameter.description,
            takesValue: parameter.kind === "option",
          },
        ],
  ),
});

function unknownShellError(shell: string): ProtocolError {
  const names = [...completionScripts.keys()];
  const closest = didYouMean(shell, names);
  return new ProtocolError(
    "usage",
    `There is no completion for the shell "${shell}".`,
    closest ? `Did you mean "${closest}"?` : `Name one of: ${names.join(", ")}.`,
  );
}
