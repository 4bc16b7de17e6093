import type { Client } from "../../sdk/client.ts";
import {
  checkDataset,
  type DatasetReport,
  type DatasetSize,
} from "../../sdk/dataset/checking/checkDataset.ts";
import { parseAddress } from "../../sdk/parseAddress.ts";
import { fetchCatalogue } from "../../sdk/service/fetchCatalogue.ts";
import { findModel } from "../../sdk/service/findModel.ts";
import { getService } from "../../sdk/service/getService.ts";
import type { OfferedModel } from "../../sdk/service/OfferedModel.ts";
import { checkDatasetBytes, datasetBytes } from "../../sdk/task/checkDatasetBytes.ts";
import { type Quote, quote } from "../../sdk/task/quote.ts";
import type { Hyperparameters } from "../../sdk/training/Hyperparameters.ts";
import { invalidDataset, showProblems } from "../terminal/datasetProblems.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { checkAsModel } from "./checkAsModel.ts";
import { countFor } from "./countFor.ts";

/** The flags that select a dataset and its model. */
export interface DatasetFlags {
  readonly provider: string;
  readonly model: string;
  readonly datasetPath: string;
  readonly validationDatasetPath?: string | undefined;
}

/** The size of a dataset, and the price of its training, at one provider. */
export interface Measurement extends OfferedModel {
  readonly path: string;
  readonly rows: number;
  /** Size of the file. */
  readonly bytes: number;
  /** The rows as the model sees them, if a configuration was given and its tokenizer allows exact counts. */
  readonly size: DatasetSize | undefined;
  /** With the defaults of all hyper-parameters if no configuration was given. */
  readonly offer: Quote;
}

/** Reads the flags before any network request. */
export function readDatasetFlags(flags: DatasetFlags) {
  return {
    provider: parseAddress(flags.provider),
    name: flags.model,
    path: flags.datasetPath,
    validationPath: flags.validationDatasetPath,
  };
}

/**
 * Checks a dataset, counts it as the provider will, and prices it. With a configuration, it is checked as the model
 * will see it, which needs the model's tokenizer whatever the unit.
 * @throws ProtocolError "dataset-invalid" after showing all problems.
 */
export async function measureDataset(
  client: Client,
  { provider, name, path, validationPath }: ReturnType<typeof readDatasetFlags>,
  terminal: Terminal,
  config?: Hyperparameters,
): Promise<Measurement> {
  const service = await getService(client, { provider });
  const catalogue = await fetchCatalogue(service);
  const model = findModel(catalogue, name);
  for (const file of [path, ...(validationPath === undefined ? [] : [validationPath])])
    checkDatasetBytes({ service, catalogue, bytes: await datasetBytes(file), path: file });
  const check = (file: string) => checkOne(file, { service, model }, config, terminal);
  const { size } = await check(path);
  const { rows, bytes, dataSize } = await countFor(path, { service, model });
  let validationSize = 0n;
  if (validationPath !== undefined) {
    await check(validationPath);
    validationSize = (await countFor(validationPath, { service, model })).dataSize;
  }
  const offer = quote({ service, model, config: config ?? {}, dataSize, validationSize });
  return { service, model, path, rows, bytes, size, offer };
}

/** Checks a dataset, and shows its problems. */
async function checkOne(
  path: string,
  { service, model }: OfferedModel,
  config: Hyperparameters | undefined,
  terminal: Terminal,
): Promise<DatasetReport> {
  const report = config
    ? await checkAsModel(path, { service, model }, config, terminal)
    : await checkDataset(path, { kind: model.kind });
  showProblems(terminal, report);
  if (report.errors > 0) throw invalidDataset(path, report, model.name);
  return report;
}
