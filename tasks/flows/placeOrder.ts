import { prepareFunds } from "../../sdk/account/prepareFunds.ts";
import type { Client } from "../../sdk/client.ts";
import type { Secrets } from "../../sdk/exchange/secrets.ts";
import { formatTaskId, type Root } from "../../sdk/ids.ts";
import type { OfferedModel } from "../../sdk/service/OfferedModel.ts";
import { prepareOrder } from "../../sdk/task/prepareOrder.ts";
import type { Quote } from "../../sdk/task/quote.ts";
import type { Hyperparameters } from "../../sdk/training/Hyperparameters.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { fundReservation } from "./fundReservation.ts";
import { sendApiTokens } from "./sendApiTokens.ts";
import { sendOrder } from "./sendOrder.ts";
import type { SendingFlags } from "./submit.ts";

/** An order with all its details. */
interface AgreedOrder extends OfferedModel {
  readonly datasetRoot: Root;
  readonly validationRoot: Root | null;
  readonly offer: Quote;
  readonly config: Hyperparameters;
  readonly secrets: Secrets;
  /** Of --task-key. */
  readonly taskKey: Uint8Array | undefined;
}

/** Creates the task, and then sends the provider the API tokens, which must not be on chain. */
export async function placeOrder(
  client: Client,
  { offer, secrets, ...wanted }: AgreedOrder,
  flags: SendingFlags,
  terminal: Terminal,
) {
  const { service, model } = wanted;
  const { units, fee: maxFee } = offer;
  const { provider } = service;
  const [{ id, order }, steps] = await Promise.all([
    prepareOrder(client, { ...wanted, units, maxFee }),
    prepareFunds(client, { provider, amount: maxFee }),
  ]);
  const planned = await fundReservation(client, steps, flags, terminal);
  if (planned) return { ...planned, followedBy: { verb: "createTask", order } };
  const result = await sendOrder(client, { id, order }, flags, terminal);
  if (result.dryRun) return result;
  const uuid = formatTaskId(id);
  terminal.say(`Created Task ID: ${uuid}`);
  await sendApiTokens(client, { service, id, secrets }, terminal);
  return {
    ...result,
    continued: false as const,
    id: uuid,
    provider,
    model: { name: model.name, hash: model.hash },
    unit: service.unit,
    ...offer,
  };
}
