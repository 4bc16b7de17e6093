import type { PreviewRow } from "../../../sdk/dataset/preview/PreviewRow.ts";
import { previewDataset } from "../../../sdk/dataset/preview/previewDataset.ts";
import { ProtocolError } from "../../../sdk/errors.ts";
import { treatmentOf } from "../../../sdk/order/treatmentOf.ts";
import { fetchTokenizer } from "../../../sdk/service/fetchTokenizer.ts";
import type { Command } from "../../definition.ts";
import { readInteger } from "../../flags/readFlags.ts";
import { readHyperparameters } from "../../flags/readHyperparameters.ts";
import { findOffer } from "../../flows/findOffer.ts";
import { counted } from "../../terminal/counted.ts";
import { renderLegend, renderPreview } from "../../terminal/renderPreview.ts";
import { shellWord } from "../../terminal/shellWord.ts";

interface Flags {
  readonly dataPath: string;
  readonly model: string;
  readonly provider: string | undefined;
  readonly rows: string | undefined;
  readonly from: string | undefined;
  readonly maxSeqLength: string | undefined;
  readonly trainOnInputs: string | undefined;
  readonly json: boolean;
}

/** Shows rows as the model sees them: what is learned, and what is cut. */
export default (async (flags, terminal, environment) => {
  const path = flags.dataPath;
  const name = flags.model;
  const rows = readCount(flags.rows, "--rows");
  const from = readCount(flags.from, "--from");
  const { provider, maxSeqLength, trainOnInputs } = flags;
  const config = readHyperparameters({ maxSeqLength, trainOnInputs }, terminal);
  const { service, model } = await findOffer({ model: name, provider }, environment, terminal);
  const { kind } = model;
  const options = {
    kind,
    ...(kind !== "image-classification" && {
      tokenizer: await fetchTokenizer(service, { model }),
    }),
    ...treatmentOf(model, config),
    ...(rows !== undefined && { rows }),
    ...(from !== undefined && { from }),
  };
  const shown: PreviewRow[] = [];
  for await (const row of previewDataset(path, options)) {
    if (shown.length === 0) terminal.draw((canvas) => renderLegend(kind, canvas));
    terminal.draw((canvas) => `\n${renderPreview(path, row, canvas)}`);
    shown.push(row);
  }
  if (shown.length === 0) throw noRowsError(path, from);
  const invalid = shown.filter(({ problems }) =>
    problems.some(({ severity }) => severity === "error"),
  );
  const check = `check-data --data-path ${shellWord(path)} --model ${shellWord(model.name)}`;
  if (invalid.length > 0 && !terminal.json) throw invalidRowsError(path, invalid.length);
  if (invalid.length > 0) process.exitCode = invalidRowsError(path, invalid.length).exitCode;
  terminal.next(environment.command(check));
  return { path, kind, provider: service.provider, model: model.name, rows: shown };
}) satisfies Command<Flags>;

function readCount(value: string | undefined, flag: string): number | undefined {
  return value === undefined ? undefined : Number(readInteger(value, flag, 1n));
}

const noRowsError = (path: string, from = 1) =>
  new ProtocolError(
    "usage",
    `${path} has no row from line ${from} on.`,
    "Give --from a smaller number.",
  );

const invalidRowsError = (path: string, count: number) =>
  new ProtocolError(
    "dataset-invalid",
    `${counted(count, "row")} of ${path} shown above would be refused by a provider.`,
    "Correct what is named above; check-data finds every problem of the dataset.",
  );
