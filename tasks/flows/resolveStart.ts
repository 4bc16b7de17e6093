import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import { getTaskOrder } from "../../sdk/task/getTaskOrder.ts";
import type { Task } from "../../sdk/task/Task.ts";
import type { Hyperparameters } from "../../sdk/training/Hyperparameters.ts";
import { describeOrders } from "./describeOrders.ts";
import { findTask } from "./findTask.ts";

type Wallet = Client & { readonly address: string };

/** The part of an order that a checkpoint to start from decides on. */
interface Wanted {
  readonly config: Hyperparameters;
  /** Name of the model. */
  readonly model: string;
  /** Undefined if it is still to be chosen. */
  readonly provider: string | undefined;
}

/**
 * Finds the task whose checkpoint an order starts from: by its id, the beginning of it, or the name or suffix of its
 * model. The order gets its full id, and its provider, which alone has the checkpoint.
 * @throws ProtocolError "usage" or "not-found" if the provider would refuse the order.
 */
export async function resolveStart<W extends Wanted>(client: Wallet, wanted: W): Promise<W> {
  const { from_checkpoint: reference } = wanted.config;
  if (reference === undefined) return wanted;
  const [name = "", step] = reference.split(":");
  const task = await findTask(client, { provider: wanted.provider, task: name });
  await checkStart(client, task, wanted);
  const from = [formatTaskId(task.id), ...(step === undefined ? [] : [step])].join(":");
  return {
    ...wanted,
    provider: task.provider,
    config: { ...wanted.config, from_checkpoint: from },
  };
}

async function checkStart(client: Wallet, task: Task, { config, model }: Wanted): Promise<void> {
  const id = formatTaskId(task.id);
  if (task.state !== "Settled" || task.size === 0) {
    throw startError(
      `Task ${id} is ${task.progress}, so its checkpoints cannot be used yet.`,
      "Download its model first, which settles it.",
    );
  }
  const [orders, order] = await Promise.all([
    describeOrders(client, [task], 1),
    getTaskOrder(client, task),
  ]);
  const base = orders.get(task)?.model ?? null;
  if (base !== null && base !== model)
    throw startError(`Task ${id} trained ${base}, not ${model}.`, `Order the model ${base}.`);
  const [trained, ordered] = [order.config, config].map((each) => each?.lora === true);
  if (trained === ordered) return;
  throw trained
    ? startError(
        `Task ${id} trained a LoRA adapter, from which only LoRA can continue.`,
        "Add --lora, or lora in the parameter file.",
      )
    : startError(
        `Task ${id} trained all weights, from which LoRA cannot continue.`,
        "Leave lora out, or start from the checkpoint of an adapter.",
      );
}

const startError = (message: string, hint: string) => new ProtocolError("usage", message, hint);
