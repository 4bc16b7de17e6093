import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { formatTaskId, parseTaskId } from "../../../sdk/ids.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import { listTasks } from "../../../sdk/task/listTasks.ts";
import { packDirectory } from "../../helpers/packDirectory.ts";
import type { CommandFixture } from "./CommandFixture.ts";

/** Two checkpoints, of which the last is the model itself, as a provider packs them. */
export async function makeArchive(folder: string): Promise<Buffer> {
  const directory = join(folder, "out");
  await mkdir(join(directory, "checkpoints/step-2"), { recursive: true });
  await writeFile(join(directory, "model.safetensors"), "the latest weights");
  await writeFile(join(directory, "checkpoints/step-2/model.safetensors"), "the weights of step 2");
  const receipt = JSON.stringify({ checkpoints: [{ step: 2 }, { step: 4 }] });
  await writeFile(join(directory, "receipt.json"), receipt);
  await packDirectory(directory, join(folder, "archive.zip"), "tiny-qwen2");
  return readFile(join(folder, "archive.zip"));
}

/** Polls the chain until `find` succeeds; only the command under test may run meanwhile. */
async function eventually<T>(find: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    await sleep(50);
  }
}

export const acknowledged = (market: CommandFixture, id: string) =>
  eventually(async () => {
    const { state } = await getTask(market.reader, { id: parseTaskId(id) });
    return state === "Acknowledged" ? true : undefined;
  });

/** The id of the task with this number, as soon as it exists. */
export const nextTask = ({ reader, user, provider }: CommandFixture, number: number) =>
  eventually(async () => {
    const between = { user: user.address, provider: provider.address };
    const task = (await listTasks(reader, between))[number];
    return task && formatTaskId(task.id);
  });
