import {
  HYPERPARAMETERS,
  type HyperparameterDescription,
} from "../sdk/training/describeHyperparameters.ts";
import {
  argument,
  type CommandDefinition,
  command,
  flag,
  grouped,
  option,
  type Parameter,
  required,
} from "./definition.ts";
import { flagOf, toCamelCase } from "./flags/letterCase.ts";
import {
  again,
  demand,
  dryRun,
  force,
  gasPrice,
  json,
  newTaskKey,
  sending,
  taskKey,
} from "./flags/options.ts";

/** `npx hardhat fine-tuning <verb>`: the same market with the commands of Together's command line. */

/** Names of hyper-parameters in a description. */
const NAMES = /\b[a-z]+(_[a-z]+)+\b/g;

const SHORT_NAMES: Readonly<Record<string, string>> = {
  suffix: "s",
  n_checkpoints: "c",
  batch_size: "b",
};

const id = required(
  argument(
    "ID of the task, its beginning, or the name or suffix of the model; fine-tuning list shows them",
  ),
);
const output = option(
  "Path of the model to write, ending in .tar.zst or .zip. Default: <MODEL-NAME>.tar.zst, with the task's ID if that exists.",
  { short: "o", value: "PATH" },
);
const timeout = option("Maximum seconds to wait", { value: "SECONDS" });

/** Every hyper-parameter is an option; a switch that is off by default is a flag. */
function hyperparameters(belongs: RegExp): Record<string, Parameter> {
  return Object.fromEntries(
    HYPERPARAMETERS.filter(({ name }) => belongs.exec(name)).map((parameter) => [
      toCamelCase(parameter.name),
      isSwitch(parameter)
        ? flag(describe(parameter))
        : option(describe(parameter), {
            ...(parameter.name in SHORT_NAMES && { short: SHORT_NAMES[parameter.name]! }),
            ...valueNameOf(parameter),
          }),
    ]),
  );
}

const creating = {
  ...grouped("What to train", {
    model: required(
      option("Name of the base model; list-models shows them", { short: "m", value: "NAME" }),
    ),
    trainingFile: required(
      option("Training dataset: a path, or the root hash of stored data", {
        short: "t",
        value: "PATH|ROOT",
      }),
    ),
    validationFile: option("Dataset to evaluate on: a path, or a root hash", {
      value: "PATH|ROOT",
    }),
    ...hyperparameters(/^(from_.*|hf_model_revision|suffix)$/),
  }),
  ...grouped("How to train", hyperparameters(/^(?!from_|hf_|suffix|lora|wandb_)/)),
  ...grouped("LoRA", hyperparameters(/^lora/)),
  ...grouped("Tracking and publishing", {
    ...hyperparameters(/^(wandb_.*|hf_output_repo_name)$/),
    wandbApiKey: option("Refused, as other users could read it: set WANDB_API_KEY instead"),
    hfApiToken: option("Refused, as other users could read it: set HF_TOKEN instead"),
  }),
  ...grouped("Ordering", {
    provider: option("Address of the provider; default: the cheapest free one with a good record", {
      value: "ADDRESS",
    }),
    yes: flag("Order without confirmation"),
    again,
    taskKey: newTaskKey,
    gasPrice,
    dryRun,
  }),
  ...grouped("Output", {
    wait: flag("Wait for the model, and download and decrypt it"),
    output,
    force,
    timeout,
    demand,
    json,
  }),
};

function isSwitch({ default: value }: HyperparameterDescription): boolean {
  return value === false;
}

function describe(parameter: HyperparameterDescription): string {
  const { range, default: value } = parameter;
  const description = parameter.description.replaceAll(NAMES, flagOf);
  if (isSwitch(parameter)) return description;
  const allowed = range.startsWith("a text") ? "" : ` ${capitalized(range)}.`;
  return `${description}${allowed}${value === undefined ? "" : ` Default: ${value}.`}`;
}

/** What the value is in help; for texts, what the name says. */
function valueNameOf({ range }: HyperparameterDescription): { readonly value?: string } {
  if (range.startsWith("a text")) return {};
  const alternatives = range.split(" or ").map((each) => {
    if (each.startsWith("an integer")) return "N";
    return each.startsWith("a number") ? "NUMBER" : each.replaceAll('"', "");
  });
  return { value: alternatives.join("|") };
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export const fineTuningFamily: CommandDefinition[] = [
  command(
    "fine-tuning create",
    "Check, upload and order a fine-tuning job in one go",
    creating,
    () => import("./commands/fine-tuning/create.ts"),
    "-m tiny-qwen2 -t train.jsonl",
    "-m tiny-qwen2 -t train.jsonl --lora --n-epochs 3 --wait -o model.zip",
  ),
  command(
    "fine-tuning list",
    "Show your tasks at all providers, oldest first",
    { json },
    () => import("./commands/fine-tuning/list.ts"),
  ),
  command(
    "fine-tuning retrieve",
    "Show everything about a task",
    { json, id },
    () => import("./commands/fine-tuning/retrieve.ts"),
    "6b607314",
  ),
  command(
    "fine-tuning follow",
    "Follow a task, with the curve of its losses, until its next step is yours",
    { timeout, json, id },
    () => import("./commands/fine-tuning/follow.ts"),
  ),
  command(
    "fine-tuning list-events",
    "Show what happened to a task, on chain and at its provider",
    { all: flag("Show every step of the training run"), json, id },
    () => import("./commands/fine-tuning/list-events.ts"),
    "6b607314",
  ),
  command(
    "fine-tuning cancel",
    "Cancel or stop a task, or claim the money after a missed deadline",
    { yes: flag("Pay for a running task's work so far without confirmation"), ...sending, id },
    () => import("./commands/fine-tuning/cancel.ts"),
    "6b607314",
  ),
  command(
    "fine-tuning status",
    "Print the status of a task in one word",
    { json, id },
    () => import("./commands/fine-tuning/status.ts"),
    "6b607314",
  ),
  command(
    "fine-tuning list-checkpoints",
    "Show the saved checkpoints of a task",
    { json, id },
    () => import("./commands/fine-tuning/list-checkpoints.ts"),
    "6b607314",
  ),
  command(
    "fine-tuning download",
    "Download, decrypt and confirm a model",
    {
      output,
      force,
      step: option("Step of the checkpoint to write; default -1, the latest weights", {
        short: "s",
      }),
      timeout: option("Wait for the delivery, and for the key, at most this many seconds", {
        value: "SECONDS",
      }),
      demand,
      taskKey,
      ...sending,
      id,
    },
    () => import("./commands/fine-tuning/download.ts"),
    "6b607314 -o model.zip",
    "6b607314 --step 20",
  ),
];
