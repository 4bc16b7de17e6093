import {
  argument,
  type CommandDefinition,
  type CommandFamily,
  command,
  flag,
  option,
} from "./definition.ts";
import { fineTuningFamily } from "./fineTuning.ts";
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

/** The definitions of all commands. The body of a command is in the file of its name, loaded when it is called. */

const amount = option("Amount in OG, for example 0.1");
const provider = option("Address of the provider");
const model = option("Name of the model");
const taskId = option(
  "ID of the task, its beginning, or the name or suffix of the model; default: the newest task",
);
const datasetPath = option("Path of the dataset");

const account: CommandDefinition[] = [
  command(
    "wallet",
    "Show your wallet, its balance, and the contracts in use",
    { json },
    () => import("./commands/account/wallet.ts"),
  ),
  command(
    "add-account",
    "Open an account with a deposit",
    { amount, ...sending },
    () => import("./commands/account/add-account.ts"),
  ),
  command(
    "deposit",
    "Deposit OG into your account",
    { amount, ...sending },
    () => import("./commands/account/deposit.ts"),
  ),
  command(
    "refund",
    "Withdraw OG from your account to your wallet",
    { amount, to: option("Address to pay to; default: your wallet"), ...sending },
    () => import("./commands/account/refund.ts"),
  ),
  command(
    "get-account",
    "Show your account and its sub-accounts",
    { json },
    () => import("./commands/account/get-account.ts"),
  ),
  command(
    "get-sub-account",
    "Show your sub-account for one provider",
    { provider, json },
    () => import("./commands/account/get-sub-account.ts"),
  ),
  command(
    "retrieve-fund",
    "Claim and return unspent OG from all sub-accounts to your account",
    sending,
    () => import("./commands/account/retrieve-fund.ts"),
  ),
  command(
    "transfer-fund",
    "Move unspent OG from one sub-account to another, without waiting",
    {
      from: option("Address of the provider whose sub-account gives"),
      to: option("Address of the provider whose sub-account gets"),
      amount,
      ...sending,
    },
    () => import("./commands/account/transfer-fund.ts"),
  ),
  command(
    "set-allowance",
    "Set how much of your account the contract may reserve",
    { amount: option("Amount in OG, 0 for none, or unlimited"), ...sending },
    () => import("./commands/account/set-allowance.ts"),
  ),
];

const market: CommandDefinition[] = [
  command(
    "list-providers",
    "Show the providers and their prices",
    { json },
    () => import("./commands/market/list-providers.ts"),
  ),
  command(
    "list-models",
    "Show the models that can be fine-tuned",
    { provider: option("Show only the models of this provider"), json },
    () => import("./commands/market/list-models.ts"),
  ),
  command(
    "model-usage",
    "Save a model's instructions and parameter template as a zip file",
    { provider, model, output: option("Path of the zip file to write"), force, json },
    () => import("./commands/market/model-usage.ts"),
  ),
];

const data: CommandDefinition[] = [
  command(
    "check-data",
    "Check a dataset and show every problem in it",
    {
      dataPath: option("Path of the dataset"),
      model: option("Name of the model to check it for"),
      provider: option("Address of the provider that offers the model"),
      json,
    },
    () => import("./commands/data/check-data.ts"),
  ),
  command(
    "preview",
    "Show rows as the model sees them: what is learned, and what is cut",
    {
      dataPath: option("Path of the dataset"),
      model,
      provider: option("Address of the provider that offers the model"),
      rows: option("Maximum number of rows to show; default: 3"),
      from: option("Line of the first row to show; default: 1"),
      maxSeqLength: option("Maximum number of tokens of a row; default: the model's"),
      trainOnInputs: option("Whether prompts are learned, too: true or false; default: false"),
      json,
    },
    () => import("./commands/data/preview.ts"),
  ),
  command(
    "convert-data",
    "Write a file in another format as a dataset",
    {
      dataPath: option("Path of the file: JSON lines, a JSON array, .csv, .tsv or .parquet"),
      output: option("Path of the .jsonl file to write"),
      from: option(
        "Format of the rows: sharegpt, alpaca, columns, or array, which leaves them as they are; default: recognized by the first row",
      ),
      columns: option(
        "Where fields come from: prompt=question,completion=answer; column numbers, from 0, if there is no header",
      ),
      limit: option("Maximum number of rows to write"),
      offset: option("Number of rows to skip at the start"),
      force,
      json,
    },
    () => import("./commands/data/convert-data.ts"),
  ),
  command(
    "data-root",
    "Compute the root hash of a file, offline",
    { dataPath: option("Path of the file"), json },
    () => import("./commands/data/data-root.ts"),
  ),
  command(
    "upload",
    "Upload a dataset to storage",
    {
      dataPath: option("Path of the dataset"),
      provider: option("Encrypt it so that only the provider at this address can read it"),
      json,
    },
    () => import("./commands/data/upload.ts"),
  ),
  command(
    "download",
    "Download data by its root hash",
    {
      dataPath: option("Path to save the data at"),
      force,
      dataRoot: option("Root hash of the data"),
      json,
    },
    () => import("./commands/data/download.ts"),
  ),
  command(
    "calculate-token",
    "Calculate the size of a dataset, and the fee with the default hyper-parameters",
    { model, datasetPath, provider, json },
    () => import("./commands/data/calculate-token.ts"),
  ),
  command(
    "quote",
    "Show the price and the size of a fine-tuning job before anything is sent",
    {
      provider,
      model,
      datasetPath,
      validationDatasetPath: option("Path of a dataset to evaluate on"),
      configPath: option("Path of the parameter file"),
      json,
    },
    () => import("./commands/data/quote.ts"),
  ),
];

const fineTuning: CommandDefinition[] = [
  command(
    "create-task",
    "Create a fine-tuning task",
    {
      provider,
      model,
      dataset: option("Root hash of the dataset"),
      validationDataset: option("Root hash of a dataset to evaluate on"),
      configPath: option("Path of the parameter file"),
      dataSize: option("Size of the training dataset, as calculate-token prints it"),
      taskKey: newTaskKey,
      gasPrice,
      yes: flag("Order without confirmation"),
      again,
      dryRun,
      json,
    },
    () => import("./commands/task/create-task.ts"),
  ),
  command(
    "get-task",
    "Show the state of a task",
    {
      provider,
      task: taskId,
      wait: flag("Follow the task until its next step is yours"),
      timeout: option("Maximum seconds to wait"),
      json,
      state: argument("With --wait: the state to wait for, for example Finished"),
    },
    () => import("./commands/task/get-task.ts"),
  ),
  command(
    "list-tasks",
    "Show your tasks at one provider",
    { provider, json },
    () => import("./commands/task/list-tasks.ts"),
  ),
  command(
    "get-log",
    "Show the log of a task",
    { provider, task: taskId, follow: flag("Continue until the training has ended"), json },
    () => import("./commands/task/get-log.ts"),
  ),
  command(
    "cancel-task",
    "Cancel a task that has not started, or claim the money after a missed deadline",
    { provider, task: taskId, ...sending },
    () => import("./commands/task/cancel-task.ts"),
  ),
  command(
    "acknowledge-model",
    "Download the encrypted model and confirm that it has arrived",
    {
      provider,
      dataPath: option("Path to save the encrypted model at"),
      force,
      demand,
      task: taskId,
      ...sending,
    },
    () => import("./commands/task/acknowledge-model.ts"),
  ),
  command(
    "decrypt-model",
    "Decrypt the model, check it, and confirm it",
    {
      provider,
      encryptedModel: option("Path of the encrypted model"),
      output: option("Path of the zip file to write"),
      force,
      task: taskId,
      taskKey,
      ...sending,
    },
    () => import("./commands/task/decrypt-model.ts"),
  ),
];

const url = option("URL at which users reach your daemon");
const price = option("Price in OG per unit of the dataset");
const minimumUnits = option("Fewest units of an order, at least 1");
const unit = option("Unit of the price: byte or token");
const maxTrainingTime = option("Maximum training time in seconds");
const bondBps = option("Your bond in basis points of the fee, at least 10000");
const unacknowledgedBps = option(
  "Basis points of the fee due if a delivery is not acknowledged, at most 3000",
);
const openTasks = option("Open tasks allowed per user");
const from = option("With --dry-run: the owner that sends the call itself, such as a Safe");

const providing: CommandDefinition[] = [
  command(
    "register-provider",
    "Offer fine-tuning with your running daemon",
    {
      url,
      price,
      minimumUnits,
      unit,
      maxTrainingTime,
      bondBps,
      unacknowledgedBps,
      openTasks,
      operator: option("Address of your daemon's key; default: what the daemon reports"),
      from,
      amount: option("OG to deposit first, for the stake and bonds"),
      ...sending,
    },
    () => import("./commands/providing/register-provider.ts"),
  ),
  command(
    "update-provider",
    "Change your offer; terms without a flag stay unchanged",
    {
      url,
      price,
      minimumUnits,
      unit,
      maxTrainingTime,
      bondBps,
      unacknowledgedBps,
      openTasks,
      operator: option("Register this address and keep key and catalogue; the daemon need not run"),
      from,
      accepting: option("Whether new tasks are accepted: true or false"),
      ...sending,
    },
    () => import("./commands/providing/update-provider.ts"),
  ),
  command(
    "remove-provider",
    "End your offer and release your stake",
    { from, ...sending },
    () => import("./commands/providing/remove-provider.ts"),
  ),
  command(
    "provider-status",
    "Show an offer, its tasks and its balances; default: yours",
    { provider, json },
    () => import("./commands/providing/provider-status.ts"),
  ),
];

const shell: CommandDefinition[] = [
  command(
    "completion",
    "Print a script that completes commands and flags in your shell",
    { json, shell: argument("bash, zsh or fish") },
    async () => ({
      default: (await import("./commands/shell/completion.ts")).completionOf(commands, FAMILIES),
    }),
  ),
];

export const families: readonly CommandFamily[] = [
  { title: "Your account", commands: account },
  { title: "The market", commands: market },
  { title: "Data", commands: data },
  { title: "Fine-tuning, step by step", commands: fineTuning },
  { title: "Fine-tuning in one go", commands: fineTuningFamily },
  { title: "For providers", commands: providing },
  { title: "Your shell", commands: shell },
];

export const commands: readonly CommandDefinition[] = families.flatMap((family) => family.commands);

/** Descriptions of the commands' common first words. */
export const FAMILIES: Readonly<Record<string, string>> = {
  "fine-tuning": "Order, follow and fetch fine-tunings",
};
