import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, createClient } from "../../../sdk/client.ts";
import { formatTaskId, parseTaskId } from "../../../sdk/ids.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import { listTasks } from "../../../sdk/task/listTasks.ts";
import { packDirectory } from "../../helpers/packDirectory.ts";
import type { Market } from "./market.ts";

/** Two checkpoints, of which the last is the model itself, as a provider packs them. */
export async function makeArchive(folder: string): Promise<Buffer> {
  const directory = join(folder, "out");
  await mkdir(join(directory, "checkpoints/step-2"), { recursive: true });
  await writeFile(join(directory, "model.safetensors"), "the latest weights");
  await writeFile(join(directory, "checkpoints/step-2/model.safetensors"), "the weights of step 2");
  const receipt = JSON.stringify({ checkpoints: [{ step: 2 }, { step: 4 }] });
  await writeFile(join(directory, "receipt.json"), receipt);
  await packDirectory(directory, join(folder, "archive.zip"));
  return readFile(join(folder, "archive.zip"));
}

/** Looks at the chain until `find` finds something; no command may run meanwhile but the one under test. */
async function eventually<T>(market: Market, find: (client: Client) => Promise<T | undefined>) {
  const { rpcUrl, deployment } = market.chain;
  const client = createClient({ rpcUrl, deployment, storageUrl: "" });
  try {
    for (;;) {
      const found = await find(client);
      if (found !== undefined) return found;
      await sleep(50);
    }
  } finally {
    client.provider.destroy();
  }
}

export const acknowledged = (market: Market, id: string) =>
  eventually(market, async (client) => {
    const { state } = await getTask(client, { id: parseTaskId(id) });
    return state === "Acknowledged" ? true : undefined;
  });

/** The id of the task with this number, as soon as there is one. */
export const nextTask = (market: Market, number: number) =>
  eventually(market, async (client) => {
    const { user, provider } = market;
    const task = (await listTasks(client, { user, provider }))[number];
    return task && formatTaskId(task.id);
  });
