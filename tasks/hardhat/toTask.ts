import { emptyTask, task } from "hardhat/config";
import { ArgumentType } from "hardhat/types/arguments";
import type { NewTaskDefinitionBuilder, TaskDefinition } from "hardhat/types/tasks";
import type { CommandDefinition } from "../definition.ts";

/** Defines a command as a Hardhat task. */
function toTask(definition: CommandDefinition): TaskDefinition {
  const { path, description, parameters } = definition;
  let builder = task([...path], description) as NewTaskDefinitionBuilder;
  for (const [name, parameter] of Object.entries(parameters)) {
    const described = { name, description: parameter.description };
    if (parameter.kind === "flag") builder = builder.addFlag(described) as typeof builder;
    else if (parameter.kind === "argument")
      builder = builder.addPositionalArgument({ ...described, defaultValue: "" }) as typeof builder;
    else
      builder = builder.addOption({
        ...described,
        ...(parameter.short && { shortName: parameter.short }),
        type: ArgumentType.STRING_WITHOUT_DEFAULT,
        defaultValue: undefined,
      }) as typeof builder;
  }
  return builder
    .setAction(async () => ({ default: (await import("./runTask.ts")).actionOf(definition) }))
    .build() as TaskDefinition;
}

/** Commands as tasks, with the families at the start of their names; `prefix` is one more. */
export function toTasks(
  definitions: readonly CommandDefinition[],
  families: Readonly<Record<string, string>>,
  prefix: readonly string[] = [],
): TaskDefinition[] {
  const tasks = definitions.map((each) => toTask({ ...each, path: [...prefix, ...each.path] }));
  const parents = new Set(tasks.map(({ id }) => id[0]!).filter((name) => name in families));
  return [...[...parents].map((name) => emptyTask(name, families[name]!).build()), ...tasks];
}
