import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseTaskId } from "../../../sdk/ids.ts";
import { acceptTask } from "../../../sdk/task/calls.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { CommandFixture } from "./CommandFixture.ts";
import { deliverModel, revealKey } from "./deliverModel.ts";
import { acknowledged, makeArchive } from "./providerSide.ts";

const ROWS = '{"prompt":"1+1=","completion":"2"}\n{"prompt":"1+2=","completion":"3"}\n';

/** What one of these orders costs, in neuron. */
export const FEE = "140";

/** A market with a provider that accepts many tasks, a user with money, and orders that are run as commands. */
export interface Orders {
  readonly market: CommandFixture;
  /** Path of the dataset that `create` orders a task on. */
  readonly dataset: string;
  /** Runs fine-tuning create, and returns its document. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into documents of every shape
  create(more?: object): Promise<any>;
  /** All flags of a create-task. */
  createTaskFlags(): Record<string, unknown>;
  accept(id: string): Promise<void>;
  /** Runs a task until the model is on the user's disk. */
  finish(id: string): Promise<void>;
  /** Number of tasks, and neuron reserved for them. */
  ordered(): Promise<[number, string]>;
}

export async function openOrders(): Promise<Orders> {
  const market = await CommandFixture.open();
  const dataset = join(market.folder, "train.jsonl");
  const configPath = join(market.folder, "config.json");
  await writeFile(dataset, ROWS);
  await writeFile(configPath, '{"n_epochs":4}');
  const offer = { url: market.daemon.url, price: "0.000000000000000002", unit: "byte" };
  const terms = { openTasks: "50", maxTrainingTime: "3600", amount: "1" };
  await market.json("register-provider", { ...offer, ...terms });
  await market.json("add-account", { amount: "1" });
  const { root } = await market.json("upload", { dataPath: dataset });
  const provider = market.provider.address;
  const accept = async (id: string) => {
    await send(market.provider, acceptTask(market.provider, { id: parseTaskId(id) }));
  };
  return {
    market,
    dataset,
    accept,
    create: (more = {}) =>
      market.json("fine-tuning create", { model: "tiny-qwen2", trainingFile: dataset, ...more }),
    createTaskFlags: () => ({
      provider,
      model: "tiny-qwen2",
      dataset: root,
      configPath,
      dataSize: "70",
    }),
    async finish(id) {
      await accept(id);
      await deliverModel(market, id, await makeArchive(market.folder));
      const output = join(market.folder, `${id}.zip`);
      const fetched = market.json("fine-tuning download", { id, output });
      await acknowledged(market, id);
      await revealKey(market, id);
      await fetched;
    },
    async ordered() {
      const { tasks } = await market.json("fine-tuning list");
      const { reserved } = await market.json("get-sub-account", { provider });
      return [tasks.length, reserved];
    },
  };
}
