import type { Client } from "../sdk/client.ts";
import { ProtocolError } from "../sdk/errors.ts";
import type { Secrets } from "../sdk/exchange/secrets.ts";
import { formatTaskId, type Root } from "../sdk/ids.ts";
import type { CatalogueModel } from "../sdk/service/fetchCatalogue.ts";
import type { Service } from "../sdk/service/Service.ts";
import { createTask } from "../sdk/task/createTask.ts";
import { prepareOrder } from "../sdk/task/prepareOrder.ts";
import type { Quote } from "../sdk/task/quote.ts";
import { sendSecrets } from "../sdk/task/sendSecrets.ts";
import type { Hyperparameters } from "../sdk/training/hyperparameters.ts";
import { type SendingFlags, submit } from "./submit.ts";
import type { Terminal } from "./terminal.ts";

/** An order that everything is known of. */
interface AgreedOrder {
  readonly service: Service;
  readonly model: CatalogueModel;
  readonly datasetRoot: Root;
  readonly validationRoot: Root | null;
  readonly offer: Quote;
  readonly config: Hyperparameters;
  readonly secrets: Secrets;
}

/** Creates the task, and then sends the provider what he needs and the chain must not know. */
export async function placeOrder(
  client: Client,
  { offer, secrets, ...wanted }: AgreedOrder,
  flags: SendingFlags,
  terminal: Terminal,
) {
  const { service, model } = wanted;
  const { units, fee: maxFee } = offer;
  const { id, order } = await prepareOrder(client, { ...wanted, units, maxFee });
  if (!flags.dryRun) terminal.say("Creating task...");
  const result = await submit(client, createTask(client, { order }), { order }, flags, terminal);
  if (result.dryRun) return result;
  const uuid = formatTaskId(id);
  terminal.say(`Created Task ID: ${uuid}`);
  if (Object.keys(secrets).length > 0) {
    await sendSecrets(client, { service, id, secrets }).catch((error) => {
      throw notSent(error, uuid, service.provider);
    });
    terminal.say("Sent your keys to the provider, encrypted for him alone.");
  }
  return {
    ...result,
    id: uuid,
    provider: service.provider,
    model: { name: model.name, hash: model.hash },
    unit: service.unit,
    ...offer,
  };
}

/** The task is there: its user must know how to go on with it. */
function notSent(error: unknown, uuid: string, provider: string): unknown {
  if (!(error instanceof ProtocolError)) return error;
  return new ProtocolError(
    error.code,
    `Task ${uuid} was created, but its keys did not reach the provider: ${error.message}`,
    `Cancel it before it starts, and create it again: npx hardhat cancel-task --provider ${provider} --task ${uuid}`,
    { cause: error },
  );
}
