import { task } from "hardhat/config";
import type { TaskDefinition } from "hardhat/types/tasks";
import { fineTuningFamily } from "./fineTuning.ts";
import { again, dryRun, force, gasPrice, json, option } from "./flags/options.ts";

/** Everything the command line can say. What a command does is in the file of its name, loaded when it is called. */

const amount = option("amount", "Amount in OG, for example 0.1");
const provider = option("provider", "Address of the provider");
const model = option("model", "Name of the model");
const taskId = option("task", "ID of the task, or its beginning; the newest one without it");
const datasetPath = option("datasetPath", "Path of the dataset");

const account: TaskDefinition[] = [
  task("add-account", "Open an account and deposit into it")
    .addOption(amount)
    .addOption(gasPrice)
    .addFlag(dryRun)
    .addFlag(json)
    .setAction(() => import("./commands/account/add-account.ts"))
    .build(),
  task("deposit", "Deposit OG into your account")
    .addOption(amount)
    .addOption(gasPrice)
    .addFlag(dryRun)
    .addFlag(json)
    .setAction(() => import("./commands/account/deposit.ts"))
    .build(),
  task("refund", "Withdraw OG from your account to your wallet")
    .addOption(amount)
    .addOption(gasPrice)
    .addFlag(dryRun)
    .addFlag(json)
    .setAction(() => import("./commands/account/refund.ts"))
    .build(),
  task("get-account", "Show your account and its sub-accounts")
    .addFlag(json)
    .setAction(() => import("./commands/account/get-account.ts"))
    .build(),
  task("get-sub-account", "Show your sub-account for one provider")
    .addOption(provider)
    .addFlag(json)
    .setAction(() => import("./commands/account/get-sub-account.ts"))
    .build(),
  task("retrieve-fund", "Claim and return unspent OG from all sub-accounts to your account")
    .addOption(gasPrice)
    .addFlag(dryRun)
    .addFlag(json)
    .setAction(() => import("./commands/account/retrieve-fund.ts"))
    .build(),
];

const market: TaskDefinition[] = [
  task("list-providers", "Show who offers fine-tuning, and at what price")
    .addFlag(json)
    .setAction(() => import("./commands/market/list-providers.ts"))
    .build(),
  task("list-models", "Show which models can be fine-tuned")
    .addOption(option("provider", "Show only the models of this provider"))
    .addFlag(json)
    .setAction(() => import("./commands/market/list-models.ts"))
    .build(),
  task("model-usage", "Save a model's instructions and parameter template as a zip file")
    .addOption(provider)
    .addOption(model)
    .addOption(option("output", "Path of the zip file to write"))
    .addFlag(force)
    .addFlag(json)
    .setAction(() => import("./commands/market/model-usage.ts"))
    .build(),
];

const data: TaskDefinition[] = [
  task("check-data", "Check a dataset and name every problem in it")
    .addOption(option("dataPath", "Path of the dataset"))
    .addOption(option("model", "Name of the model to check it for"))
    .addOption(option("provider", "Address of the provider that offers the model"))
    .addFlag(json)
    .setAction(() => import("./commands/data/check-data.ts"))
    .build(),
  task("data-root", "Compute the root hash of a file, offline")
    .addOption(option("dataPath", "Path of the file"))
    .addFlag(json)
    .setAction(() => import("./commands/data/data-root.ts"))
    .build(),
  task("upload", "Upload a dataset to storage")
    .addOption(option("dataPath", "Path of the dataset"))
    .addOption(
      option("provider", "Encrypt it so that only the provider at this address can read it"),
    )
    .addFlag(json)
    .setAction(() => import("./commands/data/upload.ts"))
    .build(),
  task("download", "Download data by its root hash")
    .addOption(option("dataPath", "Path to save the data at"))
    .addFlag(force)
    .addOption(option("dataRoot", "Root hash of the data"))
    .addFlag(json)
    .setAction(() => import("./commands/data/download.ts"))
    .build(),
  task("calculate-token", "Calculate the size of a dataset, and the fee for it")
    .addOption(model)
    .addOption(datasetPath)
    .addOption(provider)
    .addFlag(json)
    .setAction(() => import("./commands/data/calculate-token.ts"))
    .build(),
  task("quote", "Show what a fine-tuning would cost and do, before anything is sent")
    .addOption(provider)
    .addOption(model)
    .addOption(datasetPath)
    .addOption(option("configPath", "Path of the parameter file"))
    .addFlag(json)
    .setAction(() => import("./commands/data/quote.ts"))
    .build(),
];

const fineTuning: TaskDefinition[] = [
  task("create-task", "Create a fine-tuning task")
    .addOption(provider)
    .addOption(model)
    .addOption(option("dataset", "Root hash of the dataset"))
    .addOption(option("validationDataset", "Root hash of a dataset to evaluate on"))
    .addOption(option("configPath", "Path of the parameter file"))
    .addOption(option("dataSize", "Size of the dataset, as calculate-token prints it"))
    .addOption(gasPrice)
    .addFlag({ name: "yes", description: "Join the queue of a busy provider without being asked" })
    .addFlag(again)
    .addFlag(dryRun)
    .addFlag(json)
    .setAction(() => import("./commands/task/create-task.ts"))
    .build(),
  task("get-task", "Show where a task stands")
    .addOption(provider)
    .addOption(taskId)
    .addFlag({ name: "wait", description: "Follow the task until it is your turn" })
    .addOption(option("timeout", "Seconds to wait at most"))
    .addFlag(json)
    .addPositionalArgument({
      name: "state",
      description: "With --wait: the state to wait for, for example Finished",
      defaultValue: "",
    })
    .setAction(() => import("./commands/task/get-task.ts"))
    .build(),
  task("list-tasks", "Show your tasks at one provider")
    .addOption(provider)
    .addFlag(json)
    .setAction(() => import("./commands/task/list-tasks.ts"))
    .build(),
  task("get-log", "Show the log of a task")
    .addOption(provider)
    .addOption(taskId)
    .addFlag({ name: "follow", description: "Go on until the training is over" })
    .addFlag(json)
    .setAction(() => import("./commands/task/get-log.ts"))
    .build(),
  task("cancel-task", "Cancel a task that has not started, or claim what a missed deadline brings")
    .addOption(provider)
    .addOption(taskId)
    .addOption(gasPrice)
    .addFlag(dryRun)
    .addFlag(json)
    .setAction(() => import("./commands/task/cancel-task.ts"))
    .build(),
  task("acknowledge-model", "Download the encrypted model and confirm that it has arrived")
    .addOption(provider)
    .addOption(option("dataPath", "Path to save the encrypted model at"))
    .addFlag(force)
    .addOption(taskId)
    .addOption(gasPrice)
    .addFlag(dryRun)
    .addFlag(json)
    .setAction(() => import("./commands/task/acknowledge-model.ts"))
    .build(),
  task("decrypt-model", "Decrypt the model, check it, and confirm it")
    .addOption(provider)
    .addOption(option("encryptedModel", "Path of the encrypted model"))
    .addOption(option("output", "Path of the zip file to write"))
    .addFlag(force)
    .addOption(taskId)
    .addOption(gasPrice)
    .addFlag(dryRun)
    .addFlag(json)
    .setAction(() => import("./commands/task/decrypt-model.ts"))
    .build(),
];

const url = option("url", "Where users reach your daemon");
const price = option("price", "Price in OG per unit of the dataset");
const unit = option("unit", "What the price is for: byte or token");
const maxTrainingTime = option("maxTrainingTime", "Seconds that a training may take");
const bondBps = option("bondBps", "Your bond in basis points of the fee, at least 10000");
const unacknowledgedBps = option(
  "unacknowledgedBps",
  "Basis points of the fee due when nobody acknowledges, at most 3000",
);
const openTasks = option("openTasks", "Open tasks allowed per user");

const providing: TaskDefinition[] = [
  task("register-provider", "Offer fine-tuning with your running daemon")
    .addOption(url)
    .addOption(price)
    .addOption(unit)
    .addOption(maxTrainingTime)
    .addOption(bondBps)
    .addOption(unacknowledgedBps)
    .addOption(openTasks)
    .addOption(option("amount", "OG to deposit first, for the stake and the bonds"))
    .addOption(gasPrice)
    .addFlag(dryRun)
    .addFlag(json)
    .setAction(() => import("./commands/providing/register-provider.ts"))
    .build(),
  task("update-provider", "Change your offer; what no flag names stays as it is")
    .addOption(url)
    .addOption(price)
    .addOption(unit)
    .addOption(maxTrainingTime)
    .addOption(bondBps)
    .addOption(unacknowledgedBps)
    .addOption(openTasks)
    .addOption(option("accepting", "Whether new tasks are accepted: true or false"))
    .addOption(gasPrice)
    .addFlag(dryRun)
    .addFlag(json)
    .setAction(() => import("./commands/providing/update-provider.ts"))
    .build(),
  task("remove-provider", "End your offer and free your stake")
    .addOption(gasPrice)
    .addFlag(dryRun)
    .addFlag(json)
    .setAction(() => import("./commands/providing/remove-provider.ts"))
    .build(),
  task("provider-status", "Show an offer, its tasks and its money; yours without --provider")
    .addOption(provider)
    .addFlag(json)
    .setAction(() => import("./commands/providing/provider-status.ts"))
    .build(),
];

const shell: TaskDefinition[] = [
  task("completion", "Print a script that completes commands and flags in your shell")
    .addFlag(json)
    .addPositionalArgument({
      name: "shell",
      description: "bash, zsh or fish",
      defaultValue: "",
    })
    .setAction(() => import("./commands/shell/completion.ts"))
    .build(),
];

/** Commands that belong together, as the reference shows them. */
export interface CommandFamily {
  readonly title: string;
  readonly commands: readonly TaskDefinition[];
}

export const families: readonly CommandFamily[] = [
  { title: "Your account", commands: account },
  { title: "The market", commands: market },
  { title: "Data", commands: data },
  { title: "Fine-tuning, step by step", commands: fineTuning },
  { title: "Fine-tuning in one go", commands: fineTuningFamily },
  { title: "For providers", commands: providing },
  { title: "Your shell", commands: shell },
];

export const commands: TaskDefinition[] = families.flatMap((family) => family.commands);
