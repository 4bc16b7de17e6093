import { basename } from "node:path";
import type { Client } from "../../../sdk/client.ts";
import { ProtocolError } from "../../../sdk/errors.ts";
import type { Secrets } from "../../../sdk/exchange/secrets.ts";
import { parseTaskId, type Root } from "../../../sdk/ids.ts";
import { findOwnOrder, type Roots } from "../../../sdk/order/findOwnOrder.ts";
import { parseAddress } from "../../../sdk/parseAddress.ts";
import type { Service } from "../../../sdk/service/Service.ts";
import { payerOf } from "../../../sdk/storage/zerog/payerOf.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import { rootOfDataset, uploadDataset } from "../../../sdk/task/uploadDataset.ts";
import type { Command } from "../../definition.ts";
import { checkEffects } from "../../flags/checkEffects.ts";
import { readTimeout } from "../../flags/readFlags.ts";
import { type HyperparameterFlags, readHyperparameters } from "../../flags/readHyperparameters.ts";
import { readSecrets, refuseSecretFlags } from "../../flags/readSecrets.ts";
import { agreeToOrder } from "../../flows/agreeToOrder.ts";
import { checkModelOutput } from "../../flows/checkModelOutput.ts";
import { chooseOffer } from "../../flows/chooseOffer.ts";
import { continueTask } from "../../flows/continueTask.ts";
import type { Setting } from "../../flows/fetchModel.ts";
import { fetchWhenDelivered } from "../../flows/fetchWhenDelivered.ts";
import { placeOrder } from "../../flows/placeOrder.ts";
import type { ReceivingFlags } from "../../flows/receiveDelivery.ts";
import { resolveStart } from "../../flows/resolveStart.ts";
import { openTaskKey } from "../../flows/taskKey.ts";
import { transfer } from "../../flows/transfer.ts";
import { type LocalDataset, storedRoot, withDataset } from "../../flows/withDataset.ts";
import { remember } from "../../memory.ts";
import { nextInOneGo } from "../../terminal/nextCommand.ts";
import { shellWord } from "../../terminal/shellWord.ts";
import type { Terminal } from "../../terminal/Terminal.ts";

interface Flags extends ReceivingFlags, HyperparameterFlags {
  readonly model: string;
  readonly trainingFile: string;
  readonly validationFile: string | undefined;
  readonly provider: string | undefined;
  readonly wandbApiKey: string | undefined;
  readonly hfApiToken: string | undefined;
  readonly output: string | undefined;
  readonly timeout: string | undefined;
  readonly taskKey: string | undefined;
  readonly wait: boolean;
  readonly yes: boolean;
  readonly again: boolean;
  readonly force: boolean;
}

/**
 * Checks, counts, quotes, uploads and orders; with --wait, follows the task to the decrypted model. Run again, it
 * continues with the task that it ordered.
 */
export default (async (flags, terminal, environment) => {
  refuseSecretFlags(flags, environment);
  checkEffects(flags);
  const typed = readWanted(flags, terminal);
  const secrets = await readSecrets(typed.config, environment);
  const taskKey = await openTaskKey(flags.taskKey, flags, terminal);
  const client = await environment.signer("user");
  const wanted = { ...(await resolveStart(client, typed)), taskKey };
  const setting = { client, flags, terminal, environment };
  const own = await findOwnOrder(client, {
    ...wanted,
    again: flags.again,
    rootsFor: rememberRoots(client, wanted),
  });
  if (!own && flags.wait) await checkModelOutput(flags);
  const placed = own
    ? await continueTask(setting, own, secrets, flags)
    : await order(setting, wanted, secrets);
  if (placed.dryRun) return placed;
  if (!flags.wait) {
    if (own) sayStep(setting, nextInOneGo(own));
    else sayWhatNext(setting, placed.id);
    return placed;
  }
  return { ...placed, ...(await waitForModel(setting, placed.id, wanted)) };
}) satisfies Command<Flags>;

type Wanted = ReturnType<typeof readWanted> & { readonly taskKey: Uint8Array | undefined };
type CreateSetting = Setting & { readonly flags: Flags };

/** Nothing is uploaded before the quote is accepted, and nothing is paid before everything is uploaded. */
async function order(
  { client, flags, terminal, environment }: CreateSetting,
  wanted: Wanted,
  secrets: Secrets,
) {
  return withDatasets(wanted, environment.storageUrl(), terminal, async (dataset, validation) => {
    const best = await chooseOffer(
      client,
      { ...wanted, name: wanted.model, path: dataset.path, validationPath: validation?.path },
      terminal,
    );
    await agreeToOrder(client, best, flags, terminal);
    const { service } = best;
    const { taskKey } = wanted;
    const send = (one: LocalDataset) =>
      store(client, { service, taskKey, dataset: one }, flags, terminal);
    const datasetRoot = await send(dataset);
    const validationRoot = validation && (await send(validation));
    const { config } = wanted;
    const agreed = { ...best, datasetRoot, validationRoot, config, secrets, taskKey };
    const placed = await placeOrder(client, agreed, flags, terminal);
    return { ...placed, choice: best.choice };
  });
}

/** Calls `work` with both datasets on this machine. */
async function withDatasets<T>(
  { trainingFile, validationFile }: Wanted,
  storageUrl: string,
  terminal: Terminal,
  work: (dataset: LocalDataset, validation: LocalDataset | null) => Promise<T>,
): Promise<T> {
  return withDataset(trainingFile, storageUrl, terminal, (dataset) =>
    validationFile === undefined
      ? work(dataset, null)
      : withDataset(validationFile, storageUrl, terminal, (validation) =>
          work(dataset, validation),
        ),
  );
}

/** Follows a task to the decrypted model. */
async function waitForModel(setting: CreateSetting, id: string, { timeout, taskKey }: Wanted) {
  const { client, flags } = setting;
  const { output, force } = flags;
  const task = await getTask(client, { id: parseTaskId(id) });
  return fetchWhenDelivered(setting, task, { output, force, step: null, timeout, taskKey });
}

/** Computes the roots of an order's files for a service, each only once. */
function rememberRoots(client: Client, { trainingFile, validationFile, taskKey }: Wanted) {
  const known = new Map<string, Promise<Roots>>();
  const rootOf = async (service: Service, file: string) =>
    storedRoot(file) ?? rootOfDataset(client, { service, path: file, taskKey });
  const compute = async (service: Service): Promise<Roots> => ({
    datasetRoot: await rootOf(service, trainingFile),
    validationRoot: validationFile === undefined ? null : await rootOf(service, validationFile),
  });
  return (service: Service): Promise<Roots> => {
    const roots = known.get(service.provider) ?? compute(service);
    known.set(service.provider, roots);
    return roots;
  };
}

/** Reads all flags before any network request. */
function readWanted(flags: Flags, terminal: Terminal) {
  const config = readHyperparameters(flags, terminal);
  if (config.n_evals && flags.validationFile === undefined) throw noValidationDatasetError();
  return {
    model: flags.model,
    trainingFile: flags.trainingFile,
    validationFile: flags.validationFile,
    provider: flags.provider === undefined ? undefined : parseAddress(flags.provider),
    timeout: readTimeout(flags.timeout),
    config,
  };
}

function noValidationDatasetError(): ProtocolError {
  return new ProtocolError(
    "usage",
    "--n-evals is set, but there is no validation dataset.",
    "Give one with --validation-file, or omit --n-evals.",
  );
}

interface DatasetToStore {
  readonly service: Service;
  readonly taskKey: Uint8Array | undefined;
  readonly dataset: LocalDataset;
}

/** Uploads a dataset to storage, encrypted for the provider; stored segments are not sent again. */
async function store(
  client: Client,
  { service, taskKey, dataset: { path, root } }: DatasetToStore,
  { dryRun }: Flags,
  terminal: Terminal,
): Promise<Root> {
  if (root !== null) return root;
  if (dryRun) return rootOfDataset(client, { service, path, taskKey });
  const payer = async () => payerOf(client);
  const stored = await transfer(terminal, "Upload", (options) =>
    uploadDataset(client, { service, path, taskKey, payer, ...options }),
  );
  const who = `encrypted: only ${service.provider} can read it`;
  terminal.say(
    stored.sent === 0 ? `${path} is already in storage, ${who}.` : `Uploaded ${path}, ${who}.`,
  );
  terminal.say(`Root hash: ${stored.root}`);
  await remember("names", stored.root, basename(path));
  return stored.root;
}

function sayStep(setting: CreateSetting, step: string | null): void {
  if (step) setting.terminal.next(setting.environment.command(withTaskKey(setting, step)));
}

/** A download needs the key that the task was ordered with. */
function withTaskKey({ flags: { taskKey } }: CreateSetting, command: string): string {
  const isDownload = command.startsWith("fine-tuning download ");
  return isDownload && taskKey !== undefined
    ? `${command} --task-key ${shellWord(taskKey)}`
    : command;
}

function sayWhatNext(setting: CreateSetting, id: string): void {
  const { terminal, environment } = setting;
  terminal.next(environment.command(`fine-tuning follow ${id}`), "to see its progress");
  terminal.next(
    environment.command(withTaskKey(setting, `fine-tuning download ${id}`)),
    "when it is delivered",
  );
}
