import { prepareFunds } from "../account/prepareFunds.ts";
import type { Client } from "../client.ts";
import { countDataset } from "../dataset/counting/countDataset.ts";
import { ProtocolError } from "../errors.ts";
import type { Secrets } from "../exchange/secrets.ts";
import type { TaskId } from "../ids.ts";
import type { CatalogueModel } from "../service/fetchCatalogue.ts";
import { fetchTokenizer } from "../service/fetchTokenizer.ts";
import { findModel } from "../service/findModel.ts";
import type { Service } from "../service/Service.ts";
import { verifyProvider } from "../service/verifyProvider.ts";
import { createTask } from "../task/calls.ts";
import { checkDatasetBytes, datasetBytes } from "../task/checkDatasetBytes.ts";
import { prepareOrder } from "../task/prepareOrder.ts";
import { type Quote, quote } from "../task/quote.ts";
import { sendSecrets } from "../task/sendSecrets.ts";
import { uploadDataset } from "../task/uploadDataset.ts";
import type { Hyperparameters } from "../training/Hyperparameters.ts";
import { send } from "../transaction/send.ts";
import { formatOg } from "../units.ts";

export interface OrderTaskParameters {
  /** Address of the provider. */
  readonly provider: string;
  /** Name of the model in the provider's catalogue. */
  readonly modelName: string;
  /** Path of the training dataset. */
  readonly path: string;
  /** Path of the dataset to evaluate on. */
  readonly validationPath?: string | undefined;
  /** The hyper-parameters that are set. */
  readonly config: Hyperparameters;
  /** Neuron above which nothing is ordered. */
  readonly maxFee: bigint;
  /** API tokens for hubs and trackers, which are sent to the provider encrypted. */
  readonly secrets?: Secrets | undefined;
  /** 32 random bytes to keep, as for prepareOrder. */
  readonly taskKey?: Uint8Array | undefined;
}

/** A task that was ordered. */
export interface OrderedTask {
  readonly id: TaskId;
  readonly service: Service;
  readonly model: CatalogueModel;
  readonly quote: Quote;
}

/**
 * Orders a training run in one call: verifies the provider, counts and quotes, compares with `maxFee` and with the
 * account, uploads the datasets encrypted for the provider, and creates the task. Nothing is uploaded or paid before the
 * quote is known. Called again, it orders again: to continue after a crash, look for the task with listTasks.
 * @throws ProtocolError like verifyProvider; "dataset-invalid" for a dataset that breaks a rule or is too large,
 * "declined" if the fee is higher than `maxFee`, "insufficient-funds" if the account has too little.
 * @example
 * const { id, quote } = await orderTask(client, {
 *   ...{ provider, modelName: "tiny-qwen2", path: "capitals.jsonl" },
 *   ...{ config: { n_epochs: 2 }, maxFee: parseOg("0.1") },
 * });
 */
export async function orderTask(
  client: Client,
  { provider, modelName, maxFee, secrets = {}, ...wanted }: OrderTaskParameters,
): Promise<OrderedTask> {
  const { path, validationPath, config, taskKey } = wanted;
  const { service, catalogue } = await verifyProvider(client, { provider });
  const model = findModel(catalogue, modelName);
  const sizeOf = async (file: string) => {
    checkDatasetBytes({ service, catalogue, bytes: await datasetBytes(file), path: file });
    return countFor(file, service, model);
  };
  const dataSize = await sizeOf(path);
  const validationSize = validationPath === undefined ? 0n : await sizeOf(validationPath);
  const offer = quote({ service, model, config, dataSize, validationSize });
  if (offer.fee > maxFee) throw tooExpensiveError(offer.fee, maxFee);
  const steps = await prepareFunds(client, { provider, amount: offer.fee });
  const upload = async (file: string) =>
    (await uploadDataset(client, { service, path: file, taskKey })).root;
  const datasetRoot = await upload(path);
  const validationRoot = validationPath === undefined ? null : await upload(validationPath);
  for (const { call } of steps) await send(client, call);
  const { id, order } = await prepareOrder(client, {
    ...{ service, model, datasetRoot, validationRoot, config, taskKey },
    ...{ units: offer.units, maxFee: offer.fee },
  });
  await send(client, createTask(client, { order }));
  if (Object.keys(secrets).length > 0) await sendSecrets(client, { service, id, secrets });
  return { id, service, model, quote: offer };
}

/** Size of a dataset in the service's unit, as the provider will count it. */
async function countFor(path: string, service: Service, model: CatalogueModel): Promise<bigint> {
  const { kind } = model;
  const { unit } = service;
  const counted =
    unit === "byte"
      ? await countDataset(path, { kind, unit })
      : await countDataset(path, {
          kind,
          unit,
          tokenizer: await fetchTokenizer(service, { model }),
        });
  return counted.dataSize;
}

function tooExpensiveError(fee: bigint, maxFee: bigint): ProtocolError {
  return new ProtocolError(
    "declined",
    `The fee would be ${formatOg(fee)} OG, more than the maximum of ${formatOg(maxFee)} OG.`,
    "Raise the maximum, train on less, or choose another provider.",
  );
}
