import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { parseTaskId, type Root } from "../../sdk/ids.ts";
import type { Service } from "../../sdk/service/Service.ts";
import { payerOf } from "../../sdk/storage/zerog/Payer.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { rootOfDataset, uploadDataset } from "../../sdk/task/uploadDataset.ts";
import { agreeToOrder } from "../agreeToOrder.ts";
import type { Environment } from "../environment.ts";
import { fetchModel } from "../fetchModel.ts";
import { readTimeout, required } from "../flags.ts";
import { placeOrder } from "../placeOrder.ts";
import { readAddress } from "../readAddress.ts";
import { run } from "../run.ts";
import { readSecrets, refuseSecretFlags } from "../secrets.ts";
import type { SendingFlags } from "../submit.ts";
import type { Terminal } from "../terminal.ts";
import { transfer } from "../transfer.ts";
import { chooseOffer } from "./chooseOffer.ts";
import { followToDelivery } from "./followToDelivery.ts";
import { type HyperparameterFlags, readHyperparameters } from "./readHyperparameters.ts";
import { type LocalDataset, withDataset } from "./withDataset.ts";

interface Flags extends SendingFlags, HyperparameterFlags {
  readonly model: string | undefined;
  readonly trainingFile: string | undefined;
  readonly validationFile: string | undefined;
  readonly provider: string | undefined;
  readonly wandbApiKey: string | undefined;
  readonly hfApiToken: string | undefined;
  readonly output: string | undefined;
  readonly timeout: string | undefined;
  readonly wait: boolean;
  readonly yes: boolean;
  readonly force: boolean;
}

/** Checks, counts, quotes, uploads and orders; with --wait, follows the task to the decrypted model. */
export default run<Flags>(async (flags, terminal, environment) => {
  refuseSecretFlags(flags);
  const wanted = readWanted(flags, terminal);
  const secrets = await readSecrets(wanted.config, environment);
  const storageUrl = environment.storageUrl();
  const client = await environment.signer("user");
  const placed = await withDataset(wanted.trainingFile, storageUrl, terminal, async (dataset) => {
    const best = await chooseOffer(client, { ...wanted, path: dataset.path }, terminal);
    await agreeToOrder(client, best, flags, terminal, environment);
    const send = (one: LocalDataset) => store(client, best.service, one, flags, terminal);
    const datasetRoot = await send(dataset);
    const validationRoot =
      wanted.validationFile === undefined
        ? null
        : await withDataset(wanted.validationFile, storageUrl, terminal, send);
    const order = { ...best, datasetRoot, validationRoot, config: wanted.config, secrets };
    return placeOrder(client, order, flags, terminal);
  });
  if (placed.dryRun) return placed;
  if (!flags.wait) {
    sayWhatNext(terminal, environment, placed.id);
    return placed;
  }
  const setting = { client, flags, terminal, environment };
  const task = await getTask(client, { id: parseTaskId(placed.id) });
  const start = performance.now();
  const delivered = await followToDelivery(setting, task, wanted.timeout);
  const timeout = wanted.timeout && Math.max(1, wanted.timeout - (performance.now() - start));
  const fetched = await fetchModel(setting, delivered, {
    output: flags.output,
    step: null,
    timeout,
    force: flags.force,
  });
  return { ...placed, ...fetched };
});

/** Reads every flag before anything is asked of the network. */
function readWanted(flags: Flags, terminal: Terminal) {
  const config = readHyperparameters(flags, terminal);
  if (config.n_evals && flags.validationFile === undefined) throw nothingToEvaluateOn();
  return {
    name: required(flags.model, "--model", "the name of a base model; list-models shows them"),
    trainingFile: required(flags.trainingFile, "--training-file", "a path or a root hash"),
    validationFile: flags.validationFile,
    provider: flags.provider === undefined ? undefined : readAddress(flags.provider),
    timeout: readTimeout(flags.timeout),
    config,
  };
}

function nothingToEvaluateOn(): ProtocolError {
  return new ProtocolError(
    "usage",
    "--n-evals is set, and there is no validation dataset to evaluate on.",
    "Name one with --validation-file, or leave --n-evals out.",
  );
}

/** Puts a dataset into storage, encrypted for the provider; what is there already is not sent again. */
async function store(
  client: Client,
  service: Service,
  { path, root }: LocalDataset,
  { dryRun }: SendingFlags,
  terminal: Terminal,
): Promise<Root> {
  if (root !== null) return root;
  if (dryRun) return rootOfDataset(client, { service, path });
  const payer = async () => payerOf(client);
  const stored = await transfer(terminal, "Upload", (options) =>
    uploadDataset(client, { service, path, payer, ...options }),
  );
  const who = `encrypted: only ${service.provider} can read it`;
  terminal.say(
    stored.sent === 0 ? `${path} is in storage already, ${who}.` : `Uploaded ${path}, ${who}.`,
  );
  terminal.say(`Root hash: ${stored.root}`);
  return stored.root;
}

function sayWhatNext(terminal: Terminal, environment: Environment, id: string): void {
  terminal.next(environment.command(`fine-tuning list-events ${id}`), "to see how it goes");
  terminal.next(environment.command(`fine-tuning download ${id}`), "when it is delivered");
}
