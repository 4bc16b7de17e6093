import { prepareFunds } from "../account/prepareFunds.ts";
import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import type { Secrets } from "../exchange/secrets.ts";
import { formatTaskId, parseTaskId, type TaskId } from "../ids.ts";
import type { OfferedModel } from "../service/OfferedModel.ts";
import type { Service } from "../service/Service.ts";
import type { OnProgress } from "../storage/files/rootOfContent.ts";
import { payerOf } from "../storage/zerog/payerOf.ts";
import { getTask } from "../task/getTask.ts";
import { prepareOrder } from "../task/prepareOrder.ts";
import type { Quote } from "../task/quote.ts";
import { rootOfDataset, uploadDataset } from "../task/uploadDataset.ts";
import type { Hyperparameters } from "../training/Hyperparameters.ts";
import { canonicalConfig } from "../training/parseHyperparameters.ts";
import { send } from "../transaction/send.ts";
import { formatOg } from "../units.ts";
import { findCandidates } from "./findCandidates.ts";
import { findOwnOrder, type OwnOrder, type Roots } from "./findOwnOrder.ts";
import { type Offer, priceOffers } from "./priceOffers.ts";
import { rankOffers } from "./rankOffers.ts";
import { sendApiTokens } from "./sendApiTokens.ts";
import { sendOrder } from "./sendOrder.ts";
import { requireAccepting } from "./verifyForOrder.ts";

export interface OrderTaskParameters {
  /** Name of the model in the providers' catalogues. */
  readonly modelName: string;
  /** Path of the training dataset. */
  readonly trainingFile: string;
  /** Path of the validation dataset. */
  readonly validationFile?: string | undefined;
  /** The hyper-parameters that differ from their defaults. */
  readonly config: Hyperparameters;
  /** Address of the provider; default: the one that has the checkpoint to start from, or else the best by `rankServices`. */
  readonly provider?: string | undefined;
  /** Neuron; nothing is ordered that costs more. Default: no limit. */
  readonly maxFee?: bigint | undefined;
  /** API tokens for the provider, sent to it encrypted after the order. */
  readonly secrets?: Secrets | undefined;
  /** 32 secret bytes that take the place of the wallet's signature; see prepareOrder. */
  readonly taskKey?: Uint8Array | undefined;
  /** Order again what is finished. Default: continue with the task of exactly this order. */
  readonly again?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the offer before anything is uploaded or paid; nothing is if it throws. */
  readonly onQuote?: ((offer: Offer) => void | Promise<void>) | undefined;
  /** Called with the number of uploaded bytes of one dataset, then of the other. */
  readonly onProgress?: OnProgress | undefined;
}

/** A task that was ordered. */
export interface OrderedTask extends OfferedModel {
  readonly id: TaskId;
  /** Null if exactly this was ordered before, and nothing is ordered or paid again. */
  readonly quote: Quote | null;
}

/**
 * Orders a fine-tuning: verifies the providers, checks and counts the datasets as they will, chooses the best offer,
 * uploads the datasets so that only its provider can read them, and creates the task. The fee has to be in the signer's
 * account. Whatever was interrupted, another call with the same parameters continues: as long as exactly this order is
 * in progress or finished, it returns that task and pays nothing.
 * @throws ProtocolError "usage" for a bad parameter, "dataset-invalid" for the first error of a dataset,
 * "insufficient-funds" if the account has too little; "declined" if the fee is above `maxFee`, or the provider takes no
 * further task: nothing is uploaded or paid then. "task-failed-by-provider" if the money of the same order, which
 * failed, is still to be claimed. "network" or "timed-out" if it is not known whether the task was created; the signal's
 * reason if aborted.
 * @example
 * const { id, quote } = await orderTask(client, {
 *   modelName: "tiny-qwen2",
 *   trainingFile: "capitals.jsonl",
 *   config: { n_epochs: 3 },
 *   maxFee: parseOg("0.5"),
 * });
 * if (quote) console.log(`Ordered ${formatTaskId(id)} for ${formatOg(quote.fee)} OG`);
 */
export async function orderTask(client: Client, wanted: OrderTaskParameters): Promise<OrderedTask> {
  checkConfig(wanted);
  const provider = await findProvider(client, wanted);
  const own = await findOwnOrder(client, {
    provider,
    model: wanted.modelName,
    config: wanted.config,
    again: wanted.again === true,
    rootsFor: (service) => rootsFor(client, service, wanted),
  });
  if (own) return continueOrder(client, own, wanted);
  const offer = await chooseOffer(client, provider, wanted);
  await agree(client, offer, wanted);
  const roots = await uploadDatasets(client, offer.service, wanted);
  return placeOrder(client, offer, roots, wanted);
}

/** Before any request. */
function checkConfig({ config, validationFile }: OrderTaskParameters): void {
  canonicalConfig(config);
  if (!config.n_evals || validationFile !== undefined) return;
  throw new ProtocolError(
    "usage",
    "n_evals is set, but there is no validation dataset.",
    "Give one, or omit n_evals.",
  );
}

/** Only the provider of an earlier task has its checkpoints. */
async function findProvider(
  client: Client,
  { provider, config: { from_checkpoint: start } }: OrderTaskParameters,
): Promise<string | undefined> {
  if (provider !== undefined || start === undefined) return provider;
  const [id = ""] = start.split(":");
  return (await getTask(client, { id: parseTaskId(id) })).provider;
}

async function rootsFor(
  client: Client,
  service: Service,
  { trainingFile, validationFile, taskKey }: OrderTaskParameters,
): Promise<Roots> {
  const rootOf = (path: string) => rootOfDataset(client, { service, path, taskKey });
  return {
    datasetRoot: await rootOf(trainingFile),
    validationRoot: validationFile === undefined ? null : await rootOf(validationFile),
  };
}

/** API tokens that may not have reached the provider are sent again. */
async function continueOrder(
  client: Client,
  { task, service, model, standing }: OwnOrder,
  { secrets = {}, signal }: OrderTaskParameters,
): Promise<OrderedTask> {
  const { id, state } = task;
  if (standing.next === "claim") {
    throw new ProtocolError(
      "task-failed-by-provider",
      `Exactly this was ordered as task ${formatTaskId(id)}. ${standing.meaning}`,
      `Claim it with ${state === "Created" ? "cancelTask" : "expire"}; then order again.`,
    );
  }
  if (state === "Created" || state === "Accepted")
    await sendApiTokens(client, { service, id, secrets, signal });
  return { id, service, model, quote: null };
}

async function chooseOffer(
  client: Client,
  provider: string | undefined,
  { modelName, trainingFile, validationFile, config, signal }: OrderTaskParameters,
): Promise<Offer> {
  const candidates = await findCandidates(client, { modelName, provider, signal });
  const work = { trainingFile, validationFile, config, signal };
  const ranked = rankOffers(await priceOffers(candidates, work), Date.now() / 1_000);
  return ranked[0]!.offer;
}

/** Stops before anything is uploaded or paid if the order cannot succeed, or is not wanted at this price. */
async function agree(
  client: Client,
  offer: Offer,
  { maxFee, onQuote }: OrderTaskParameters,
): Promise<void> {
  const { service, quote } = offer;
  requireAccepting(service);
  await onQuote?.(offer);
  if (maxFee !== undefined && quote.fee > maxFee) throw tooExpensiveError(quote.fee, maxFee);
  await prepareFunds(client, { provider: service.provider, amount: quote.fee });
}

function tooExpensiveError(fee: bigint, maxFee: bigint): ProtocolError {
  return new ProtocolError(
    "declined",
    `The order would cost ${formatOg(fee)} OG, more than the limit of ${formatOg(maxFee)} OG.`,
    "Raise the limit, or order less work.",
  );
}

async function uploadDatasets(
  client: Client,
  service: Service,
  { trainingFile, validationFile, taskKey, signal, onProgress }: OrderTaskParameters,
): Promise<Roots> {
  const payer = () => payerOf(client);
  const upload = async (path: string) => {
    const dataset = { service, path, taskKey, payer, signal, onProgress };
    return (await uploadDataset(client, dataset)).root;
  };
  return {
    datasetRoot: await upload(trainingFile),
    validationRoot: validationFile === undefined ? null : await upload(validationFile),
  };
}

async function placeOrder(
  client: Client,
  { service, model, quote }: Offer,
  roots: Roots,
  { config, taskKey, secrets = {}, signal }: OrderTaskParameters,
): Promise<OrderedTask> {
  const { units, fee: maxFee } = quote;
  const what = { service, model, ...roots, units, maxFee, config, taskKey };
  const prepared = await prepareOrder(client, what);
  const { provider } = service;
  for (const { call } of await prepareFunds(client, { provider, amount: maxFee })) {
    signal?.throwIfAborted();
    await send(client, call);
  }
  await sendOrder(client, prepared, { signal });
  const { id } = prepared;
  await sendApiTokens(client, { service, id, secrets, signal });
  return { id, service, model, quote };
}
