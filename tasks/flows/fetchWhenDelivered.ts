import type { Task } from "../../sdk/task/Task.ts";
import { fetchModel, findOutput, type Setting, type WantedModel } from "./fetchModel.ts";
import { followToDelivery } from "./followToDelivery.ts";

/** Follows a task to its decrypted model, after checking the output path. Both waits share the timeout. */
export async function fetchWhenDelivered(setting: Setting, task: Task, wanted: WantedModel) {
  const { timeout } = wanted;
  await findOutput(setting.client, task, wanted);
  const start = performance.now();
  const delivered = await followToDelivery(setting, task, timeout);
  const left = timeout && Math.max(1, timeout - (performance.now() - start));
  return fetchModel(setting, delivered, { ...wanted, timeout: left });
}
