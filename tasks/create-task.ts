import { getAccount } from "../sdk/account/getAccount.ts";
import type { Client } from "../sdk/client.ts";
import { ProtocolError } from "../sdk/errors.ts";
import { formatTaskId, parseRoot } from "../sdk/ids.ts";
import type { Queue } from "../sdk/service/fetchQueue.ts";
import { findModel } from "../sdk/service/findModel.ts";
import { verifyProvider } from "../sdk/service/verifyProvider.ts";
import { createTask } from "../sdk/task/createTask.ts";
import { prepareOrder } from "../sdk/task/prepareOrder.ts";
import { quote } from "../sdk/task/quote.ts";
import { readConfig } from "../sdk/training/readConfig.ts";
import { formatOg } from "../sdk/units.ts";
import type { Environment } from "./environment.ts";
import { readInteger, required } from "./flags.ts";
import { showQuote } from "./quoteTable.ts";
import { readAddress } from "./readAddress.ts";
import { run } from "./run.ts";
import { type SendingFlags, submit } from "./submit.ts";
import type { Terminal } from "./terminal.ts";

interface Flags extends SendingFlags {
  readonly provider: string | undefined;
  readonly model: string | undefined;
  readonly dataset: string | undefined;
  readonly validationDataset: string | undefined;
  readonly configPath: string | undefined;
  readonly dataSize: string | undefined;
  readonly yes: boolean;
}

/** Orders a fine-tuning. Money is reserved only after the provider is verified and the quote is shown. */
export default run<Flags>(async (flags, terminal, environment) => {
  const wanted = await readOrder(flags);
  const client = await environment.signer("user");
  terminal.say("Verify provider...");
  const { service, catalogue, queue } = await verifyProvider(client, wanted);
  terminal.say("Provider verified");
  const model = findModel(catalogue, wanted.model);
  const offer = quote({ service, units: wanted.units });
  showQuote(terminal, service, offer);
  if (!service.accepting) throw notAccepting(service.provider);
  await checkFunds(client, service.provider, offer.fee, environment);
  if (!flags.yes && !flags.dryRun) await agreeToWait(terminal, queue);

  const { id, order } = await prepareOrder(client, {
    ...wanted,
    service,
    model,
    maxFee: offer.fee,
  });
  const call = createTask(client, { order });
  if (!flags.dryRun) terminal.say("Creating task...");
  const result = await submit(client, call, { order }, flags, terminal);
  if (result.dryRun) return result;
  const uuid = formatTaskId(id);
  terminal.say(`Created Task ID: ${uuid}`);
  terminal.next(
    environment.command(`get-task --provider ${service.provider} --task ${uuid} --wait`),
  );
  return {
    ...result,
    id: uuid,
    provider: service.provider,
    model: { name: model.name, hash: model.hash },
    unit: service.unit,
    ...offer,
  };
});

/** Reads every flag before anything is asked of the network. */
async function readOrder(flags: Flags) {
  const root = (value: string | undefined, flag: string) =>
    parseRoot(required(value, flag, "the root hash that upload printed"));
  const size = required(flags.dataSize, "--data-size", "the size that calculate-token printed");
  const path = required(flags.configPath, "--config-path", "the path of a parameter file");
  const config = await readConfig(path);
  if (config.n_evals && flags.validationDataset === undefined) throw nothingToEvaluateOn(path);
  return {
    provider: readAddress(flags.provider),
    model: required(flags.model, "--model", "the name of a model; list-models shows them"),
    datasetRoot: root(flags.dataset, "--dataset"),
    validationRoot:
      flags.validationDataset === undefined
        ? null
        : root(flags.validationDataset, "--validation-dataset"),
    units: readInteger(size, "--data-size", 1n),
    config,
  };
}

/** The provider would give such a task up; it is not worth two transactions to find out. */
function nothingToEvaluateOn(path: string): ProtocolError {
  return new ProtocolError(
    "usage",
    `${path} sets n_evals, and there is no validation dataset to evaluate on.`,
    "Name one with --validation-dataset <ROOT_HASH>, or leave n_evals out.",
  );
}

/** The Ledger takes the fee from the sub-account first, amounts on their way back included, then from the account. */
async function checkFunds(
  client: Client & { readonly address: string },
  provider: string,
  fee: bigint,
  environment: Environment,
): Promise<void> {
  const account = await getAccount(client, { account: client.address });
  const subAccount = account.subAccounts.find((entry) => entry.provider === provider);
  const available =
    account.available + (subAccount ? subAccount.balance - subAccount.reserved : 0n);
  if (available >= fee) return;
  const missing = formatOg(fee - available).replace(/\.?0+$/, "");
  const [problem, command] =
    account.total === 0n
      ? ["This wallet has no account with money in it", "add-account"]
      : ["Insufficient balance", "deposit"];
  throw new ProtocolError(
    "insufficient-funds",
    `${problem}: ${formatOg(available)} OG are available and ${formatOg(fee)} OG are needed.`,
    `Add funds: ${environment.command(`${command} --amount ${missing}`)}`,
  );
}

async function agreeToWait(terminal: Terminal, { slots, running, waiting }: Queue): Promise<void> {
  if (running < slots && waiting === 0) return;
  const busy = `Provider busy: ${running} running, ${waiting} waiting.`;
  if (await terminal.confirm(`${busy} Add your task to the waiting queue?`)) return;
  throw new ProtocolError(
    "declined",
    "No task was created.",
    "Try again later, or use another provider: npx hardhat list-providers",
  );
}

function notAccepting(provider: string): ProtocolError {
  return new ProtocolError(
    "declined",
    `${provider} does not accept tasks at the moment.`,
    "Choose another provider: npx hardhat list-providers",
  );
}
