import type { Client } from "../../sdk/client.ts";
import { tunedModelName } from "../../sdk/deliverable/tunedModelName.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import { fetchCatalogue } from "../../sdk/service/fetchCatalogue.ts";
import { getService } from "../../sdk/service/getService.ts";
import type { Service } from "../../sdk/service/Service.ts";
import { readCreation } from "../../sdk/task/getTaskOrder.ts";
import type { Task } from "../../sdk/task/Task.ts";
import type { RecordedOrder } from "../../sdk/task/TaskOrder.ts";

/** The name of a task's model, and the service that names its base model; null if it cannot be read. */
export interface ModelName {
  readonly name: string;
  readonly service: Service | null;
}

/**
 * The name of a task's model: its base model with the ordered suffix, as in its model card. If the provider no longer
 * lists the base model, the task's id is used instead.
 */
export async function findModelName(client: Client, task: Task): Promise<ModelName> {
  const { order } = await readCreation(client, task);
  const service = await getService(client, task).catch(nullIfExpected);
  const base = (service && (await baseName(service, order))) ?? formatTaskId(task.id);
  return { name: tunedModelName(base, order.config?.suffix), service };
}

async function baseName(service: Service, { modelHash }: RecordedOrder): Promise<string | null> {
  const catalogue = await fetchCatalogue(service).catch(nullIfExpected);
  return catalogue?.models.find(({ hash }) => hash === modelHash)?.name ?? null;
}

function nullIfExpected(error: unknown): null {
  if (error instanceof ProtocolError) return null;
  throw error;
}
