import { HYPERPARAMETERS, type Hyperparameters } from "../sdk/training/hyperparameters.ts";
import { readConfig } from "../sdk/training/readConfig.ts";
import { type DatasetFlags, measureDataset, readDatasetFlags } from "./measureDataset.ts";
import { showQuote } from "./quoteTable.ts";
import { run } from "./run.ts";
import { shellWord } from "./shellWord.ts";

interface Flags extends DatasetFlags {
  readonly configPath: string | undefined;
  readonly json: boolean;
}

/** Says what a fine-tuning would cost, before anything is uploaded or sent. Needs no wallet. */
export default run<Flags>(async (flags, terminal, environment) => {
  const wanted = readDatasetFlags(flags);
  const config = flags.configPath === undefined ? {} : await readConfig(flags.configPath);
  const client = await environment.reader();
  const measured = await measureDataset(client, wanted, terminal);
  const { service, model, path, rows, bytes, offer } = measured;
  const epochs = config.n_epochs ?? Number(defaultOf("n_epochs"));
  const steps = countSteps(config, rows, epochs);
  showQuote(terminal, service, offer, [
    ["Rows", String(rows)],
    ["Epochs", String(epochs)],
    ["Steps", steps === null ? "known when the provider has chosen the batch size" : String(steps)],
  ]);
  terminal.next(environment.command(`upload --data-path ${shellWord(path)}`));
  return {
    provider: service.provider,
    model: model.name,
    unit: service.unit,
    rows,
    bytes,
    epochs,
    steps,
    ...offer,
  };
});

/** Updates of the weights; null when the provider chooses the batch size or packs rows together. */
function countSteps(config: Hyperparameters, rows: number, epochs: number): number | null {
  const { batch_size: batchSize, packing = defaultOf("packing") } = config;
  if (typeof batchSize !== "number" || packing) return null;
  const accumulated =
    config.gradient_accumulation_steps ?? Number(defaultOf("gradient_accumulation_steps"));
  return Math.ceil(rows / (batchSize * accumulated)) * epochs;
}

const defaultOf = (name: keyof Hyperparameters) =>
  HYPERPARAMETERS.find((parameter) => parameter.name === name)?.default;
