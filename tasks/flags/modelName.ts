import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import { fetchCatalogue } from "../../sdk/service/fetchCatalogue.ts";
import { getService } from "../../sdk/service/getService.ts";
import { readCreation } from "../../sdk/task/getTaskOrder.ts";
import type { Task } from "../../sdk/task/Task.ts";
import type { RecordedOrder } from "../../sdk/task/TaskOrder.ts";

/**
 * The name of a task's model: its base model with the ordered suffix, as in its model card. If the provider no longer
 * lists the base model, the task's id is used instead.
 */
export async function modelName(client: Client, task: Task): Promise<string> {
  const { order } = await readCreation(client, task);
  const base = await baseName(client, task, order);
  const suffix = order.config?.suffix;
  return suffix === undefined ? base : `${base}-${suffix}`;
}

async function baseName(
  client: Client,
  { id, provider }: Task,
  { modelHash }: RecordedOrder,
): Promise<string> {
  try {
    const { models } = await fetchCatalogue(await getService(client, { provider }));
    const found = models.find(({ hash }) => hash === modelHash);
    if (found) return found.name;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
  return formatTaskId(id);
}
