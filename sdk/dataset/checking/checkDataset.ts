import { sha256 } from "../../platform/index.ts";
import type { DatasetKind, DatasetRow } from "../formats/DatasetRow.ts";
import type { Finding } from "../formats/Finding.ts";
import { placeOf, problem } from "../formats/problem.ts";
import type { Problem, RuleId } from "../formats/rules.ts";
import type { ScannedRow } from "../formats/ScannedRow.ts";
import { exactJson } from "../jinja/json.ts";
import type { RowTreatment } from "../tokenizer/maskRow.ts";
import { createRowMeasurer } from "../tokenizer/measureRow.ts";
import type { TokenizerDocument } from "../tokenizer/TokenizerDocument.ts";
import { vocabularySize } from "../tokenizer/vocabularySize.ts";
import { LabelCheck } from "./LabelCheck.ts";
import { type ProblemGroup, ProblemList } from "./ProblemList.ts";
import { scanRows } from "./scanRows.ts";

/** The problems of a dataset, in file order; problems of the label set come last. */
export interface DatasetReport {
  /** Valid rows. */
  readonly rows: number;
  readonly format: DatasetRow["format"] | undefined;
  /** Labels in the order in which the trainer numbers them; empty unless the rows have labels. */
  readonly labels: readonly string[];
  /** The first problems of each group, at most MAX_PLACES of them. */
  readonly problems: readonly Problem[];
  /** The problems by rule and message, at most MAX_GROUPS of each rule. */
  readonly groups: readonly ProblemGroup[];
  /** Number of problems that make a task fail, including those not listed. A dataset is valid if there are none. */
  readonly errors: number;
  readonly warnings: number;
  /** Sums over the valid rows; only with a tokenizer. */
  readonly size?: DatasetSize;
}

/** How a job uses the tokens of a dataset. An image is one token. */
export interface DatasetSize {
  /** Before truncation. */
  readonly tokens: number;
  /** After truncation. */
  readonly kept: number;
  /** Tokens that count in the loss, for conversations to within one token per turn. For classification, rows. */
  readonly learned: number;
  /** Rows that are truncated. */
  readonly truncated: number;
}

/** Options of checkDataset. */
export interface CheckOptions extends RowTreatment {
  readonly kind: DatasetKind;
  /** For a validation dataset: the labels of the training dataset's report. */
  readonly labels?: readonly string[];
  /** The model's tokenizer: if given, rows are also checked and measured as the model sees them. */
  readonly tokenizer?: TokenizerDocument;
}

/** After these, the rest of a file is not read, so rules about the whole file are not checked. */
const BREAKING_OFF: readonly RuleId[] = ["damaged-archive", "archive-too-large"];

/** Rows that are remembered to find duplicates; the limit bounds memory. */
const REMEMBERED_ROWS = 500_000;

/**
 * Checks a whole dataset against every rule, without stopping at the first problem.
 * @throws ProtocolError "usage" if the file cannot be read, or the tokenizer does not allow exact counts.
 * @example
 * const { errors, problems } = await checkDataset("capitals.jsonl", { kind: "causal-lm" });
 * if (errors > 0) console.error(problems[0]?.message);
 */
export async function checkDataset(path: string, options: CheckOptions): Promise<DatasetReport> {
  const { kind, tokenizer } = options;
  const vocabulary = tokenizer && vocabularySize(tokenizer.tokenizer);
  const list = new ProblemList();
  const seen = new Map<string, string>();
  const labels = new LabelCheck(options.labels);
  const measure = tokenizer && createRowSum(tokenizer, options);
  let rows = 0;
  let isWhole = true;
  let format: DatasetRow["format"] | undefined;
  for await (const scanned of scanRows(path, { kind, ...(vocabulary && { vocabulary }) })) {
    const { row } = scanned;
    for (const found of scanned.problems) {
      list.add(found);
      isWhole &&= !BREAKING_OFF.includes(found.rule);
    }
    if (!row) continue;
    rows += 1;
    format ??= row.format;
    const findings = [...findDuplicate(seen, row, scanned), ...labels.note(row, scanned)];
    for (const finding of [...findings, ...(measure?.add(row) ?? [])]) {
      list.add(problem(path, placeOf(scanned), finding));
    }
  }
  for (const { place, finding } of isWhole ? labels.finish() : []) {
    list.add(problem(path, place, finding));
  }
  return {
    rows,
    format,
    labels: labels.sorted,
    problems: list.problems,
    groups: list.groups,
    errors: list.counts.error,
    warnings: list.counts.warning,
    ...(measure && { size: measure.size }),
  };
}

/** Adds up the measures of a dataset's rows. */
function createRowSum(tokenizer: TokenizerDocument, treatment: RowTreatment) {
  const measure = createRowMeasurer(tokenizer, treatment);
  const size = { tokens: 0, kept: 0, learned: 0, truncated: 0 };
  const add = (row: DatasetRow): readonly Finding[] => {
    const { tokens, kept, learned, findings } = measure(row);
    size.tokens += tokens;
    size.kept += kept;
    size.learned += learned;
    size.truncated += kept < tokens ? 1 : 0;
    return findings;
  };
  return { size, add };
}

/** Reports an earlier row that is equal, or remembers the row. */
function findDuplicate(seen: Map<string, string>, row: DatasetRow, scanned: ScannedRow): Finding[] {
  const { label: _, ...image } = row.format === "image" ? row : { label: "" };
  const identity = row.format === "image" ? image : row;
  const digest = sha256(Buffer.from(JSON.stringify(identity, exactJson)));
  const key = Buffer.from(digest).toString("latin1", 0, 16);
  const duplicate = seen.get(key);
  if (duplicate !== undefined) {
    const what = scanned.entry === undefined ? "row" : "image";
    return [{ rule: "duplicate-row", message: `The ${what} repeats ${duplicate}.` }];
  }
  if (seen.size < REMEMBERED_ROWS) seen.set(key, scanned.entry ?? `line ${scanned.line}`);
  return [];
}
