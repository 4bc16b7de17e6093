import { emptyTask, task } from "hardhat/config";
import type { NewTaskDefinitionBuilder, TaskDefinition } from "hardhat/types/tasks";
import {
  HYPERPARAMETERS,
  type HyperparameterDescription,
} from "../sdk/training/describeHyperparameters.ts";
import { toCamelCase } from "./flags/letterCase.ts";
import { again, dryRun, force, gasPrice, json, option } from "./flags/options.ts";

/** `npx hardhat fine-tuning <verb>`: the same market in the words of Together's command line. */

const SHORT_NAMES: Readonly<Record<string, string>> = {
  suffix: "s",
  n_checkpoints: "c",
  batch_size: "b",
};

const id = {
  name: "id",
  description: "ID of the task, or its beginning; fine-tuning list shows them",
  defaultValue: "",
} as const;
const output = option(
  "output",
  "Path of the model to write, ending in .tar.zst or .zip. Default: <MODEL-NAME>.tar.zst, with the task's ID if that is taken.",
  "o",
);
const timeout = option("timeout", "Seconds to wait at most");

const create = task(["fine-tuning", "create"], "Check, upload and order a fine-tuning in one go")
  .addOption(option("model", "Name of the base model; list-models shows them", "m"))
  .addOption(
    option("trainingFile", "Training dataset: a path, or the root hash of stored data", "t"),
  )
  .addOption(option("validationFile", "Dataset to evaluate on: a path, or a root hash"))
  .addOption(option("provider", "Address of the provider; the cheapest available one without it"))
  .addOption(option("wandbApiKey", "Refused, as others could read it: set WANDB_API_KEY instead"))
  .addOption(option("hfApiToken", "Refused, as others could read it: set HF_TOKEN instead"))
  .addOption(gasPrice)
  .addFlag({ name: "wait", description: "Follow the task to the decrypted model" })
  .addOption(output)
  .addFlag(force)
  .addOption(timeout)
  .addFlag({ name: "yes", description: "Join the queue of a busy provider without being asked" })
  .addFlag(again)
  .addFlag(dryRun)
  .addFlag(json);

/**
 * Every hyper-parameter is an option; one that is not given stays unset, which is not the same as its default. A switch
 * that is off by default is a flag.
 */
function addHyperparameters(builder: typeof create): TaskDefinition {
  let extended = builder as NewTaskDefinitionBuilder;
  for (const parameter of HYPERPARAMETERS) {
    const name = toCamelCase(parameter.name);
    const description = describe(parameter);
    extended = (
      isSwitch(parameter)
        ? extended.addFlag({ name, description })
        : extended.addOption(option(name, description, SHORT_NAMES[parameter.name]))
    ) as NewTaskDefinitionBuilder;
  }
  return (extended as typeof create).setAction(() => import("./commands/fine-tuning/create.ts")).build();
}

const isSwitch = ({ default: value }: HyperparameterDescription) => value === false;

/** Patterns are for programs: what people may write is in the description then. */
function describe(parameter: HyperparameterDescription): string {
  const { range, description, default: value } = parameter;
  if (isSwitch(parameter)) return description;
  const allowed = range.startsWith("a text") ? "" : ` ${capitalized(range)}.`;
  return `${description}${allowed}${value === undefined ? "" : ` Default: ${value}.`}`;
}

const capitalized = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

export const fineTuningFamily: TaskDefinition[] = [
  emptyTask("fine-tuning", "Order, follow and fetch fine-tunings").build(),
  addHyperparameters(create),
  task(["fine-tuning", "list"], "Show your tasks at all providers, oldest first")
    .addFlag(json)
    .setAction(() => import("./commands/fine-tuning/list.ts"))
    .build(),
  task(["fine-tuning", "retrieve"], "Show everything about a task")
    .addFlag(json)
    .addPositionalArgument(id)
    .setAction(() => import("./commands/fine-tuning/retrieve.ts"))
    .build(),
  task(["fine-tuning", "list-events"], "Show what happened to a task, on chain and at its provider")
    .addFlag(json)
    .addPositionalArgument(id)
    .setAction(() => import("./commands/fine-tuning/list-events.ts"))
    .build(),
  task(["fine-tuning", "cancel"], "Cancel or stop a task, or claim what a missed deadline brings")
    .addFlag({
      name: "yes",
      description: "Pay for what was done of a running task without being asked",
    })
    .addOption(gasPrice)
    .addFlag(dryRun)
    .addFlag(json)
    .addPositionalArgument(id)
    .setAction(() => import("./commands/fine-tuning/cancel.ts"))
    .build(),
  task(["fine-tuning", "status"], "Print the status of a task in one word")
    .addFlag(json)
    .addPositionalArgument(id)
    .setAction(() => import("./commands/fine-tuning/status.ts"))
    .build(),
  task(["fine-tuning", "list-checkpoints"], "Show the checkpoints that a task has saved")
    .addFlag(json)
    .addPositionalArgument(id)
    .setAction(() => import("./commands/fine-tuning/list-checkpoints.ts"))
    .build(),
  task(["fine-tuning", "download"], "Fetch, decrypt and confirm a model")
    .addOption(output)
    .addFlag(force)
    .addOption(
      option("step", "Step of the checkpoint to write; default -1, the latest weights", "s"),
    )
    .addOption(timeout)
    .addOption(gasPrice)
    .addFlag(dryRun)
    .addFlag(json)
    .addPositionalArgument(id)
    .setAction(() => import("./commands/fine-tuning/download.ts"))
    .build(),
];
