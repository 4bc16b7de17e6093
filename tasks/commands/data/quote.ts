import { getLockPeriod } from "../../../sdk/account/getLockPeriod.ts";
import type { DatasetSize } from "../../../sdk/dataset/checking/checkDataset.ts";
import { HYPERPARAMETERS } from "../../../sdk/training/describeHyperparameters.ts";
import type { Hyperparameters } from "../../../sdk/training/Hyperparameters.ts";
import { readConfig } from "../../../sdk/training/readConfig.ts";
import type { Command } from "../../definition.ts";
import { type DatasetFlags, measureDataset, readDatasetFlags } from "../../flows/measureDataset.ts";
import { shellWord } from "../../terminal/shellWord.ts";
import { showQuote } from "../../terminal/showQuote.ts";

interface Flags extends DatasetFlags {
  readonly configPath: string | undefined;
  readonly json: boolean;
}

/** Shows the price of a fine-tuning job before anything is uploaded or sent. Needs no wallet. */
export default (async (flags, terminal, environment) => {
  const wanted = readDatasetFlags(flags);
  const config = flags.configPath === undefined ? {} : await readConfig(flags.configPath);
  const client = await environment.reader();
  const measured = await measureDataset(client, wanted, terminal, config);
  const { service, model, path, rows, bytes, size, offer } = measured;
  const shares = model.kind === "causal-lm" ? sharesOf(size, rows) : NO_SHARES;
  const epochs = config.n_epochs ?? Number(defaultOf("n_epochs"));
  const steps = countSteps(config, rows, epochs);
  const lockPeriod = await getLockPeriod(client);
  showQuote(terminal, { service, model, offer, lockPeriod }, [
    ["Rows", String(rows)],
    ["Epochs", String(epochs)],
    ["Steps", steps === null ? "depends on the provider's batch size" : String(steps)],
    ...showShares(shares, size),
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
    ...shares,
    ...offer,
  };
}) satisfies Command<Flags>;

/** Null if not known, or not applicable to the model. */
interface Shares {
  /** Share of truncated rows among all rows. */
  readonly truncatedShare: number | null;
  /** Share of tokens that count in the loss, among those that the model reads. */
  readonly trainedTokenShare: number | null;
}

const NO_SHARES: Shares = { truncatedShare: null, trainedTokenShare: null };

function sharesOf(size: DatasetSize | undefined, rows: number): Shares {
  if (!size) return NO_SHARES;
  const { kept, learned, truncated } = size;
  return { truncatedShare: truncated / rows, trainedTokenShare: learned / kept };
}

function showShares(
  { truncatedShare, trainedTokenShare }: Shares,
  size: DatasetSize | undefined,
): [string, string][] {
  if (truncatedShare === null || trainedTokenShare === null || !size) return [];
  return [
    ["Rows Cut Off", `${size.truncated} (${percent(truncatedShare)})`],
    ["Tokens Learned", `${size.learned} of ${size.kept} (${percent(trainedTokenShare)})`],
  ];
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

/** Number of weight updates; null if the provider chooses the batch size. */
function countSteps(config: Hyperparameters, rows: number, epochs: number): number | null {
  const { batch_size: batchSize } = config;
  if (typeof batchSize !== "number") return null;
  const accumulated =
    config.gradient_accumulation_steps ?? Number(defaultOf("gradient_accumulation_steps"));
  return Math.ceil(rows / (batchSize * accumulated)) * epochs;
}

const defaultOf = (name: keyof Hyperparameters) =>
  HYPERPARAMETERS.find((parameter) => parameter.name === name)?.default;
