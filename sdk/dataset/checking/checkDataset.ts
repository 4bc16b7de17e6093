import { stat } from "node:fs/promises";
import { sha256 } from "../../platform/index.ts";
import type { DatasetKind, DatasetRow } from "../formats/DatasetRow.ts";
import type { Finding } from "../formats/Finding.ts";
import { placeOf, problem } from "../formats/problem.ts";
import type { Problem, RuleId } from "../formats/rules.ts";
import type { ScannedRow } from "../formats/ScannedRow.ts";
import { exactJson } from "../jinja/json.ts";
import type { RowTreatment } from "../tokenizer/maskRow.ts";
import type { RowMeasure } from "../tokenizer/measureRow.ts";
import { type MeasuredRow, measureRows } from "../tokenizer/measureThreads.ts";
import type { TokenizerDocument } from "../tokenizer/TokenizerDocument.ts";
import { vocabularySize } from "../tokenizer/vocabularySize.ts";
import { LabelCheck } from "./LabelCheck.ts";
import { countQuestion, openMemory, tokenizerDigest } from "./memory.ts";
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
  /** A folder that remembers what was found about large datasets, so that they are not read again. */
  readonly memory?: string;
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
  const { memory: folder, tokenizer, ...rest } = options;
  const memory = await openMemory(folder, path);
  const digest = tokenizer && tokenizerDigest(tokenizer);
  const known = await memory?.get({ check: rest, tokenizer: digest });
  if (known) return withPath(known as DatasetReport, path);
  const report = await readReport(path, options);
  await memory?.put({ check: rest, tokenizer: digest }, report);
  if (report.errors === 0 && report.size) {
    const { rows, format, size } = report;
    await memory?.put(countQuestion(rest.kind, digest), { rows, format, tokens: size.tokens });
  }
  return report;
}

/** A report about the same dataset under its present path. */
function withPath(report: DatasetReport, path: string): DatasetReport {
  const file = ({ file: _, ...rest }: Problem): Problem => ({ ...rest, file: path });
  return {
    ...report,
    problems: report.problems.map(file),
    groups: report.groups.map((group) => ({ ...group, file: path })),
  };
}

async function readReport(path: string, options: CheckOptions): Promise<DatasetReport> {
  const { kind, tokenizer } = options;
  const vocabulary = tokenizer && vocabularySize(tokenizer.tokenizer);
  const rows = scanRows(path, { kind, ...(vocabulary && { vocabulary }) });
  const check = new DatasetCheck(path, options.labels);
  for await (const measured of measureAs(options, path, rows)) check.note(measured);
  return { ...check.finish(), ...(tokenizer && { size: check.size }) };
}

/** Collects the rows of a dataset and their problems. */
class DatasetCheck {
  readonly size = { tokens: 0, kept: 0, learned: 0, truncated: 0 };
  readonly #path: string;
  readonly #list = new ProblemList();
  readonly #seen = new Map<string, string | number>();
  readonly #labels: LabelCheck;
  #rows = 0;
  #isWhole = true;
  #format: DatasetRow["format"] | undefined;

  constructor(path: string, labels: readonly string[] | undefined) {
    this.#path = path;
    this.#labels = new LabelCheck(labels);
  }

  note({ scanned, measure }: MeasuredRow): void {
    for (const found of scanned.problems) {
      this.#list.add(found);
      this.#isWhole &&= !BREAKING_OFF.includes(found.rule);
    }
    const { row } = scanned;
    if (!row) return;
    this.#rows += 1;
    this.#format ??= row.format;
    if (measure) this.#add(measure);
    const findings = [
      ...findDuplicate(this.#seen, row, scanned),
      ...this.#labels.note(row, scanned),
    ];
    for (const finding of [...findings, ...(measure?.findings ?? [])]) {
      this.#list.add(problem(this.#path, placeOf(scanned), finding));
    }
  }

  finish(): Omit<DatasetReport, "size"> {
    for (const { place, finding } of this.#isWhole ? this.#labels.finish() : []) {
      this.#list.add(problem(this.#path, place, finding));
    }
    return {
      rows: this.#rows,
      format: this.#format,
      labels: this.#labels.sorted,
      problems: this.#list.problems,
      groups: this.#list.groups,
      errors: this.#list.counts.error,
      warnings: this.#list.counts.warning,
    };
  }

  #add({ tokens, kept, learned }: RowMeasure): void {
    this.size.tokens += tokens;
    this.size.kept += kept;
    this.size.learned += learned;
    this.size.truncated += kept < tokens ? 1 : 0;
  }
}

/** The rows with their measures, if there is a tokenizer. */
async function* measureAs(
  { kind, tokenizer, ...treatment }: CheckOptions,
  path: string,
  rows: AsyncIterable<ScannedRow>,
): AsyncGenerator<MeasuredRow> {
  if (!tokenizer || kind === "image-classification") {
    for await (const scanned of rows) yield { scanned, measure: tokenizer && IMAGE };
    return;
  }
  const { maxLength, trainOnInputs } = treatment;
  const given = {
    ...(maxLength !== undefined && { maxLength }),
    ...(trainOnInputs !== undefined && { trainOnInputs }),
  };
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  yield* measureRows(rows, { document: tokenizer, treatment: given, kind }, size);
}

const IMAGE: RowMeasure = { tokens: 1, kept: 1, learned: 1, findings: [] };

/** Reports an earlier row that is equal, or remembers the row. */
function findDuplicate(
  seen: Map<string, string | number>,
  row: DatasetRow,
  scanned: ScannedRow,
): Finding[] {
  const { label: _, ...image } = row.format === "image" ? row : { label: "" };
  const identity = row.format === "image" ? image : row;
  const digest = sha256(Buffer.from(JSON.stringify(identity, exactJson)));
  const key = Buffer.from(digest).toString("latin1", 0, 16);
  const duplicate = seen.get(key);
  if (duplicate !== undefined) {
    const message =
      typeof duplicate === "number"
        ? `The row repeats line ${duplicate}.`
        : `The image repeats ${duplicate}.`;
    return [{ rule: "duplicate-row", message }];
  }
  if (seen.size < REMEMBERED_ROWS) seen.set(key, scanned.entry ?? scanned.line);
  return [];
}
