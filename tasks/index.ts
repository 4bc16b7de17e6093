import {
  argument,
  type CommandDefinition,
  type CommandFamily,
  command,
  flag,
  grouped,
  option,
  required,
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

const amount = option("Amount in OG, for example 0.1", { value: "OG" });
const provider = option("Address of the provider", { value: "ADDRESS" });
const model = option("Name of the model", { value: "NAME" });
const taskId = option(
  "ID of the task, its beginning, or the name or suffix of the model; default: the newest task",
  {
    value: "ID",
  },
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
    { amount: required(amount), ...sending },
    () => import("./commands/account/add-account.ts"),
    "--amount 0.1",
  ),
  command(
    "deposit",
    "Deposit OG into your account",
    { amount: required(amount), ...sending },
    () => import("./commands/account/deposit.ts"),
    "--amount 0.1",
  ),
  command(
    "refund",
    "Withdraw OG from your account to your wallet",
    {
      amount: required(amount),
      to: option("Address to pay to; default: your wallet", { value: "ADDRESS" }),
      ...sending,
    },
    () => import("./commands/account/refund.ts"),
    "--amount 0.1",
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
    { provider: required(provider), json },
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
      from: required(
        option("Address of the provider whose sub-account gives", { value: "ADDRESS" }),
      ),
      to: required(option("Address of the provider whose sub-account gets", { value: "ADDRESS" })),
      amount: required(amount),
      ...sending,
    },
    () => import("./commands/account/transfer-fund.ts"),
  ),
  command(
    "set-allowance",
    "Set how much of your account the contract may reserve",
    {
      amount: required(option("Amount in OG, 0 for none, or unlimited", { value: "OG" })),
      ...sending,
    },
    () => import("./commands/account/set-allowance.ts"),
    "--amount 0.5",
    "--amount unlimited",
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
    { provider: option("Show only the models of this provider", { value: "ADDRESS" }), json },
    () => import("./commands/market/list-models.ts"),
  ),
  command(
    "model-usage",
    "Save a model's instructions and parameter template as a zip file",
    {
      provider: required(provider),
      model: required(model),
      output: required(option("Path of the zip file to write", { value: "PATH" })),
      force,
      json,
    },
    () => import("./commands/market/model-usage.ts"),
  ),
];

const data: CommandDefinition[] = [
  command(
    "check-data",
    "Check a dataset and show every problem in it",
    {
      dataPath: required(option("Path of the dataset")),
      model: option("Name of the model to check it for", { value: "NAME" }),
      provider: option("Address of the provider that offers the model", { value: "ADDRESS" }),
      json,
    },
    () => import("./commands/data/check-data.ts"),
    "--data-path train.jsonl",
    "--data-path train.jsonl --model tiny-qwen2",
  ),
  command(
    "preview",
    "Show rows as the model sees them: what is learned, and what is cut",
    {
      dataPath: required(option("Path of the dataset")),
      model: required(model),
      provider: option("Address of the provider that offers the model", { value: "ADDRESS" }),
      rows: option("Maximum number of rows to show; default: 3", { value: "N" }),
      from: option("Line of the first row to show; default: 1", { value: "LINE" }),
      maxSeqLength: option("Maximum number of tokens of a row; default: the model's", {
        value: "N",
      }),
      trainOnInputs: option("Whether prompts are learned, too: true or false; default: false", {
        value: "true|false",
      }),
      json,
    },
    () => import("./commands/data/preview.ts"),
    "--data-path train.jsonl --model tiny-qwen2",
  ),
  command(
    "convert-data",
    "Write a file in another format as a dataset",
    {
      dataPath: required(
        option("Path of the file: JSON lines, a JSON array, .csv, .tsv or .parquet"),
      ),
      output: required(option("Path of the .jsonl file to write", { value: "PATH" })),
      from: option(
        "Format of the rows: sharegpt, alpaca, columns, or array, which leaves them as they are; default: recognized by the first row",
        { value: "FORMAT" },
      ),
      columns: option(
        "Where fields come from: prompt=question,completion=answer; column numbers, from 0, if there is no header",
        { value: "FIELD=COLUMN,…" },
      ),
      limit: option("Maximum number of rows to write", { value: "N" }),
      offset: option("Number of rows to skip at the start", { value: "N" }),
      force,
      json,
    },
    () => import("./commands/data/convert-data.ts"),
    "--data-path chats.json --output train.jsonl",
    "--data-path faq.csv --output train.jsonl --columns prompt=question,completion=answer",
  ),
  command(
    "data-root",
    "Compute the root hash of a file, offline",
    { dataPath: required(option("Path of the file")), json },
    () => import("./commands/data/data-root.ts"),
    "--data-path train.jsonl",
  ),
  command(
    "upload",
    "Upload a dataset to storage",
    {
      dataPath: required(option("Path of the dataset")),
      provider: option("Encrypt it so that only the provider at this address can read it", {
        value: "ADDRESS",
      }),
      json,
    },
    () => import("./commands/data/upload.ts"),
    "--data-path train.jsonl",
    "--data-path train.jsonl --provider <ADDRESS>",
  ),
  command(
    "download",
    "Download data by its root hash",
    {
      dataPath: required(option("Path to save the data at")),
      force,
      dataRoot: required(option("Root hash of the data")),
      json,
    },
    () => import("./commands/data/download.ts"),
    "--data-path train.jsonl --data-root <ROOT>",
  ),
  command(
    "calculate-token",
    "Calculate the size of a dataset, and the fee with the default hyper-parameters",
    {
      model: required(model),
      datasetPath: required(datasetPath),
      provider: required(provider),
      json,
    },
    () => import("./commands/data/calculate-token.ts"),
    "--model tiny-qwen2 --dataset-path train.jsonl --provider <ADDRESS>",
  ),
  command(
    "quote",
    "Show the price and the size of a fine-tuning job before anything is sent",
    {
      provider: required(provider),
      model: required(model),
      datasetPath: required(datasetPath),
      validationDatasetPath: option("Path of a dataset to evaluate on"),
      configPath: option("Path of the parameter file"),
      json,
    },
    () => import("./commands/data/quote.ts"),
    "--provider <ADDRESS> --model tiny-qwen2 --dataset-path train.jsonl",
  ),
];

const fineTuning: CommandDefinition[] = [
  command(
    "create-task",
    "Create a fine-tuning task",
    {
      ...grouped("What to train", {
        provider: required(provider),
        model: required(model),
        dataset: required(option("Root hash of the dataset", { value: "ROOT" })),
        validationDataset: option("Root hash of a dataset to evaluate on", { value: "ROOT" }),
        configPath: required(option("Path of the parameter file")),
        dataSize: required(option("Size of the training dataset, as calculate-token prints it")),
      }),
      ...grouped("Ordering", {
        taskKey: newTaskKey,
        gasPrice,
        yes: flag("Order without confirmation"),
        again,
        dryRun,
        json,
      }),
    },
    () => import("./commands/task/create-task.ts"),
    "--provider <ADDRESS> --model tiny-qwen2 --dataset <ROOT> --config-path config.json --data-size <SIZE>",
  ),
  command(
    "get-task",
    "Show the state of a task",
    {
      provider,
      task: taskId,
      wait: flag("Follow the task until its next step is yours"),
      timeout: option("Maximum seconds to wait", { value: "SECONDS" }),
      json,
      state: argument("With --wait: the state to wait for, for example Finished"),
    },
    () => import("./commands/task/get-task.ts"),
    "--provider <ADDRESS>",
    "--task <ID> --wait",
  ),
  command(
    "list-tasks",
    "Show your tasks at one provider",
    { provider: required(provider), json },
    () => import("./commands/task/list-tasks.ts"),
  ),
  command(
    "get-log",
    "Show the log of a task",
    { provider, task: taskId, follow: flag("Continue until the training has ended"), json },
    () => import("./commands/task/get-log.ts"),
    "--provider <ADDRESS>",
    "--task <ID> --follow",
  ),
  command(
    "cancel-task",
    "Cancel a task that has not started, or claim the money after a missed deadline",
    { provider, task: taskId, ...sending },
    () => import("./commands/task/cancel-task.ts"),
    "--task <ID>",
  ),
  command(
    "acknowledge-model",
    "Download the encrypted model and confirm that it has arrived",
    {
      provider,
      dataPath: required(option("Path to save the encrypted model at")),
      force,
      demand,
      task: taskId,
      ...sending,
    },
    () => import("./commands/task/acknowledge-model.ts"),
    "--provider <ADDRESS> --data-path model.encrypted",
  ),
  command(
    "decrypt-model",
    "Decrypt the model, check it, and confirm it",
    {
      provider,
      encryptedModel: required(option("Path of the encrypted model", { value: "PATH" })),
      output: required(option("Path of the zip file to write", { value: "PATH" })),
      force,
      task: taskId,
      taskKey,
      ...sending,
    },
    () => import("./commands/task/decrypt-model.ts"),
    "--provider <ADDRESS> --encrypted-model model.encrypted --output model.zip",
  ),
];

const url = option("URL at which users reach your daemon");
const price = option("Price in OG per unit of the dataset", { value: "OG" });
const minimumUnits = option("Fewest units of an order, at least 1", { value: "N" });
const unit = option("Unit of the price: byte or token", { value: "byte|token" });
const maxTrainingTime = option("Maximum training time in seconds", { value: "SECONDS" });
const bondBps = option("Your bond in basis points of the fee, at least 10000");
const unacknowledgedBps = option(
  "Basis points of the fee due if a delivery is not acknowledged, at most 3000",
);
const openTasks = option("Open tasks allowed per user", { value: "N" });
const from = option("With --dry-run: the owner that sends the call itself, such as a Safe", {
  value: "ADDRESS",
});
/** The terms that an offer may change without a new URL and price. */
const terms = { minimumUnits, unit, maxTrainingTime, bondBps, unacknowledgedBps, openTasks };

const providing: CommandDefinition[] = [
  command(
    "register-provider",
    "Offer fine-tuning with your running daemon",
    {
      ...grouped("Terms", { url: required(url), price: required(price), ...terms }),
      ...grouped("Registration", {
        operator: option("Address of your daemon's key; default: what the daemon reports", {
          value: "ADDRESS",
        }),
        from,
        amount: option("OG to deposit first, for the stake and bonds", { value: "OG" }),
        ...sending,
      }),
    },
    () => import("./commands/providing/register-provider.ts"),
    "--url https://gpu.example.org --price 0.00000005 --unit token --amount 10",
  ),
  command(
    "update-provider",
    "Change your offer; terms without a flag stay unchanged",
    {
      ...grouped("Terms", {
        url,
        price,
        ...terms,
        accepting: option("Whether new tasks are accepted: true or false", {
          value: "true|false",
        }),
      }),
      ...grouped("Registration", {
        operator: option(
          "Register this address and keep key and catalogue; the daemon need not run",
          { value: "ADDRESS" },
        ),
        from,
        ...sending,
      }),
    },
    () => import("./commands/providing/update-provider.ts"),
    "--price 0.00000004",
    "--accepting false",
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
    { json, shell: required(argument("bash, zsh or fish")) },
    async () => ({
      default: (await import("./commands/shell/completion.ts")).completionOf(commands, FAMILIES),
    }),
    "bash",
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
