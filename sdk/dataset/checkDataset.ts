import { createHash } from "node:crypto";
import type { DatasetKind, DatasetRow } from "./DatasetRow.ts";
import type { Problem, RuleId } from "./rules.ts";
import { INTEGER_LABEL, problem, scanRows } from "./scanRows.ts";

/** What is wrong with a dataset, in the order of the file; label-set problems come last. */
export interface DatasetReport {
  /** Sound rows. */
  readonly rows: number;
  readonly format: DatasetRow["format"] | undefined;
  /** Labels in the order in which the trainer numbers them; empty unless the rows have labels. */
  readonly labels: readonly string[];
  /** The first problems, at most MOST_PROBLEMS of them. */
  readonly problems: readonly Problem[];
  /** All problems that make a task fail, the ones not listed included. A dataset is valid when there is none. */
  readonly errors: number;
  readonly warnings: number;
}

/** Problems that are kept; more are only counted. */
export const MOST_PROBLEMS = 1000;

/** Rows that are remembered to find duplicates, so that memory stays bounded. */
const REMEMBERED_ROWS = 500_000;

/** Labels of one dataset at most: more are not a classification, and each needs an output of the model. */
const MOST_LABELS = 100_000;

/**
 * Checks a whole dataset against every rule and never stops at the first problem.
 * @param labels For a validation dataset: the labels of the training dataset's report.
 * @throws ProtocolError "usage" only when the file cannot be read.
 */
export async function checkDataset(
  path: string,
  { kind, labels }: { kind: DatasetKind; labels?: readonly string[] },
): Promise<DatasetReport> {
  const problems: Problem[] = [];
  const counts = { error: 0, warning: 0 };
  const report = (found: Problem) => {
    counts[found.severity] += 1;
    if (problems.length < MOST_PROBLEMS) problems.push(found);
  };
  const firstLineOfRow = new Map<string, number>();
  const firstLineOfLabel = new Map<string, number>();
  const trained = labels && new Set(labels);
  let rows = 0;
  let lastLine = 1;
  let format: DatasetRow["format"] | undefined;
  for await (const scanned of scanRows(path, { kind })) {
    const { line, row } = scanned;
    for (const found of scanned.problems) report(found);
    if (!row) continue;
    rows += 1;
    lastLine = line;
    format ??= row.format;
    const twin = rememberRow(firstLineOfRow, row, line);
    if (twin) report(problem(path, line, "duplicate-row", `The row repeats line ${twin}.`));
    if (row.format !== "label") continue;
    if (trained && !trained.has(row.label)) {
      const message = `The label ${JSON.stringify(row.label)} is not in the training dataset.`;
      report(problem(path, line, "unknown-label", message));
    }
    if (!firstLineOfLabel.has(row.label) && firstLineOfLabel.size < MOST_LABELS) {
      firstLineOfLabel.set(row.label, line);
    }
  }
  if (!labels && format === "label") {
    for (const { line, rule, message } of checkLabels(firstLineOfLabel, lastLine)) {
      report(problem(path, line, rule, message));
    }
  }
  return {
    rows,
    format,
    labels: sortLabels([...firstLineOfLabel.keys()]),
    problems,
    errors: counts.error,
    warnings: counts.warning,
  };
}

/** The line of an equal row before, or undefined and the row is remembered. */
function rememberRow(seen: Map<string, number>, row: DatasetRow, line: number): number | undefined {
  const digest = createHash("sha256").update(JSON.stringify(row)).digest();
  const key = digest.toString("latin1", 0, 16);
  const twin = seen.get(key);
  if (twin === undefined && seen.size < REMEMBERED_ROWS) seen.set(key, line);
  return twin;
}

function checkLabels(
  firstLine: ReadonlyMap<string, number>,
  lastLine: number,
): { line: number; rule: RuleId; message: string }[] {
  const labels = sortLabels([...firstLine.keys()]);
  if (labels.length < 2) {
    const message = `All rows have the label ${JSON.stringify(labels[0])}.`;
    return [{ line: lastLine, rule: "one-label", message }];
  }
  if (!labels.every((label) => INTEGER_LABEL.test(label))) return [];
  const gap = labels.findIndex((label, index) => Number(label) !== index);
  if (gap < 0) return [];
  const wrong = labels[gap]!;
  const message = `The label ${wrong} leaves a gap: there is no label ${gap}.`;
  return [{ line: firstLine.get(wrong)!, rule: "label-gap", message }];
}

/** Integers by value, texts by code point, as the trainer numbers them. */
function sortLabels(labels: string[]): string[] {
  if (labels.every((label) => INTEGER_LABEL.test(label))) {
    return labels.sort((a, b) => Number(a) - Number(b));
  }
  return labels.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}
