import { didYouMean } from "../../../sdk/didYouMean.ts";
import { ProtocolError } from "../../../sdk/errors.ts";
import { type CompletedCommand, completionScripts } from "./completionScripts.ts";
import { commands } from "../../index.ts";
import { toKebabCase } from "../../flags/letterCase.ts";
import { run } from "../../hardhat/run.ts";

interface Flags {
  readonly shell: string;
  readonly json: boolean;
}

/** Prints the script; everything it knows is in it, so that completing starts no program. */
export default run<Flags>(async ({ shell }, terminal) => {
  const write = completionScripts.get(shell);
  if (!write) throw unknownShell(shell);
  const script = write(describeCommands());
  if (!terminal.json) terminal.say(script);
  return { shell, script };
});

function describeCommands(): CompletedCommand[] {
  return commands.map((definition) => ({
    path: definition.id,
    description: "description" in definition ? (definition.description ?? "") : "",
    options: ("options" in definition ? Object.values(definition.options) : []).map(
      ({ name, shortName, description, type }) => ({
        flag: `--${toKebabCase(name)}`,
        short: shortName && `-${shortName}`,
        description: description ?? "",
        takesValue: type !== "FLAG",
      }),
    ),
  }));
}

function unknownShell(shell: string): ProtocolError {
  const names = [...completionScripts.keys()];
  const closest = didYouMean(shell, names);
  return new ProtocolError(
    "usage",
    shell === "" ? "The shell is missing." : `There is no completion for "${shell}".`,
    closest ? `Did you mean "${closest}"?` : `Name one of: ${names.join(", ")}.`,
  );
}
