import { quote } from "../formats/checkText.ts";
import type { DatasetRow } from "../formats/DatasetRow.ts";
import type { Finding } from "../formats/Finding.ts";
import { type Place, placeOf } from "../formats/problem.ts";
import type { ScannedRow } from "../formats/ScannedRow.ts";
import { INTEGER_LABEL } from "./scanRows.ts";

/**
 * Maximum number of labels in a dataset: each needs an output of the model, and more are no longer a classification.
 */
const MAX_LABELS = 100_000;

/** What programs write for a missing value. */
const MISSING = ["nan", "NaN", "None", "null", "NULL", "N/A", "#N/A", "<NA>"];

/** Checks the rules about all labels of a dataset together. */
export class LabelCheck {
  readonly #trained: ReadonlySet<string> | undefined;
  readonly #first = new Map<string, Place>();
  #format: DatasetRow["format"] | undefined;
  #last: Place = { line: 1 };

  /** @param trained For a validation dataset: the labels of the training dataset. */
  constructor(trained: readonly string[] | undefined) {
    this.#trained = trained && new Set(trained);
  }

  /** In the order in which the trainer numbers them. */
  get sorted(): string[] {
    return sortLabels([...this.#first.keys()]);
  }

  note(row: DatasetRow, scanned: ScannedRow): Finding[] {
    if (row.format !== "label" && row.format !== "image") return [];
    const { label } = row;
    this.#format = row.format;
    this.#last = placeOf(scanned);
    if (!this.#first.has(label) && this.#first.size < MAX_LABELS) {
      this.#first.set(label, this.#last);
    }
    if (!this.#trained || this.#trained.has(label)) return [];
    const message = `The label ${quote(label)} is not in the training dataset.`;
    return [{ rule: "unknown-label", message }];
  }

  finish(): { place: Place; finding: Finding }[] {
    if (!this.#format) return [];
    const found = this.#trained ? this.#missing(this.#trained) : this.#incomplete();
    const doubtful = this.#trained ? [] : [...this.#similar(), ...this.#odd()];
    return [...(found ? [found] : []), ...doubtful];
  }

  /** Labels that a reader would take for the same one. */
  #similar() {
    const alike = Map.groupBy(this.sorted, plain);
    return [...alike.values()]
      .filter((labels) => labels.length > 1)
      .map((labels) => ({
        place: this.#first.get(labels[1]!)!,
        finding: {
          rule: "similar-labels",
          message: `The labels ${listed(labels)} differ only in case, white space or Unicode normalization.`,
        } as const,
      }));
  }

  /** Labels that a program wrote for a missing value or a number. */
  #odd() {
    if (this.#format === "image") return [];
    return this.sorted.flatMap((label) => {
      const what = MISSING.includes(label)
        ? "is the text of a missing value"
        : /^-?\d+\.0+$/.test(label) &&
          "is a whole number with a decimal point, which counts as a word";
      if (!what) return [];
      const message = `The label ${quote(label)} ${what}.`;
      return [{ place: this.#first.get(label)!, finding: { rule: "odd-label", message } as const }];
    });
  }

  #missing(trained: ReadonlySet<string>) {
    const missing = [...trained].filter((label) => !this.#first.has(label));
    if (missing.length === 0) return undefined;
    const [one] = missing;
    const message =
      missing.length === 1
        ? `No row has the class ${quote(one)} of the training dataset, so it is not measured.`
        : `No row has any of ${missing.length} classes of the training dataset, so they are not measured.`;
    return { place: { line: 1 }, finding: { rule: "missing-class", message } as const };
  }

  #incomplete() {
    const labels = this.sorted;
    const isImages = this.#format === "image";
    if (labels.length < 2) {
      const label = quote(labels[0]);
      const message = isImages
        ? `All images are in the class folder ${label}.`
        : `All rows have the label ${label}.`;
      // For an archive, the problem concerns the whole file.
      const place = isImages ? { line: 1 } : this.#last;
      return { place, finding: { rule: "one-label", message } as const };
    }
    if (isImages || !labels.every((label) => INTEGER_LABEL.test(label))) return undefined;
    const gap = labels.findIndex((label, index) => Number(label) !== index);
    if (gap < 0) return undefined;
    const message = `The label ${labels[gap]} leaves a gap: label ${gap} is missing.`;
    return {
      place: this.#first.get(labels[gap]!)!,
      finding: { rule: "label-gap", message } as const,
    };
  }
}

/** Integers by value, texts by code point, as the trainer numbers them. */
function sortLabels(labels: string[]): string[] {
  if (labels.every((label) => INTEGER_LABEL.test(label))) {
    return labels.sort((a, b) => Number(a) - Number(b));
  }
  return labels.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

const plain = (label: string) =>
  label.normalize("NFKC").toLowerCase().replaceAll(/\s+/g, " ").trim();

/** The first labels of a list, as part of a sentence. */
function listed(labels: readonly string[]): string {
  const shown = labels.slice(0, 3).map(quote);
  const others = labels.length - shown.length;
  const last = others > 0 ? `${others} more` : shown.pop();
  return `${shown.join(", ")} and ${last}`;
}
