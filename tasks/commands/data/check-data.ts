import { checkDataset, type DatasetReport } from "../../../sdk/dataset/checking/checkDataset.ts";
import type { DatasetKind } from "../../../sdk/dataset/formats/DatasetRow.ts";
import type { Command } from "../../definition.ts";
import type { Environment } from "../../Environment.ts";
import { guessKind } from "../../flags/guessKind.ts";
import { counted } from "../../terminal/counted.ts";
import { invalidDataset, showProblems } from "../../terminal/datasetProblems.ts";
import { shellWord } from "../../terminal/shellWord.ts";
import type { Terminal } from "../../terminal/Terminal.ts";

interface Flags {
  readonly dataPath: string;
  readonly model: string | undefined;
  readonly provider: string | undefined;
  readonly json: boolean;
}

/** Shows every problem of a dataset with its line and a hint. Works offline, unless a model is named. */
export default (async (flags, terminal, environment) => {
  const path = flags.dataPath;
  const { kind, report } = await check(path, flags, environment, terminal);
  const valid = report.errors === 0;
  if (terminal.json) {
    if (!valid) process.exitCode = invalidDataset(path, report, flags.model).exitCode;
    return { path, kind, valid, ...report };
  }
  showProblems(terminal, report);
  if (!valid) throw invalidDataset(path, report, flags.model);
  terminal.say(
    `${path} is a valid dataset for ${kind}: ${counted(report.rows, "row")}, ${counted(report.warnings, "warning")}.`,
  );
  terminal.next(environment.command(`upload --data-path ${shellWord(path)}`));
}) satisfies Command<Flags>;

/** Checks a dataset as the model sees it or, without a model, by the kind guessed from its content. */
async function check(
  path: string,
  { model, provider }: Flags,
  environment: Environment,
  terminal: Terminal,
): Promise<{ kind: DatasetKind; report: DatasetReport }> {
  if (model === undefined) {
    const kind = await guessKind(path);
    return { kind, report: await checkDataset(path, { kind }) };
  }
  const { checkAsOffered } = await import("../../flows/checkAsOffered.ts"); // chain code is only needed for a model
  return checkAsOffered(path, { model, provider }, environment, terminal);
}
