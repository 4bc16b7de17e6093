import type { DatasetKind } from "./DatasetRow.ts";
import type { TextKind } from "./parseRow.ts";

/** Names of columns that mean the same elsewhere, in lower case. */
const ASKED = ["prompt", "question", "query", "instruction", "problem", "request", "user", "human"];
const ANSWERED = ["completion", "answer", "response", "output", "solution", "assistant", "reply"];
const CONTEXT = ["context", "input"];
/** Too general to be recognized alone. */
const PAIRS = [
  ["source", "target"],
  ["src", "tgt"],
  ["input", "output"],
  ["input", "target"],
  ["input", "response"],
] as const;
const TEXTS = ["text", "sentence", "review", "content", "comment", "tweet", "message"];
const LABELS = ["label", "class", "category", "sentiment", "target", "tag"];

/** Field of a dataset → column that holds it. */
export type Columns = Readonly<Record<string, string>>;

/** The columns that hold the fields of a dataset, if it is clear which they are. */
function findColumns(names: readonly string[], kind: DatasetKind): Columns | undefined {
  if (kind === "image-classification") return undefined;
  return kind === "text-classification" ? labelColumns(names) : answerColumns(names);
}

/** The kind of dataset that has these columns or keys: labels are only of use to a classifier. */
export function kindOfColumns(names: readonly string[]): TextKind {
  const hasLabel = names.includes("label") || labelColumns(names) !== undefined;
  return hasLabel ? "text-classification" : "causal-lm";
}

/** The columns that hold the fields under other names than the fields'. */
export function recognizeColumns(names: readonly string[], kind: DatasetKind): Columns | undefined {
  const columns = findColumns(names, kind);
  const isOther = Object.entries(columns ?? {}).some(([field, column]) => field !== column);
  return isOther ? columns : undefined;
}

function labelColumns(names: readonly string[]): Columns | undefined {
  const [text, label] = [only(names, TEXTS), only(names, LABELS)];
  return text !== undefined && label !== undefined ? { text, label } : undefined;
}

function answerColumns(names: readonly string[]): Columns | undefined {
  const [asked, answered] = [only(names, ASKED), only(names, ANSWERED)];
  if (asked !== undefined && answered !== undefined) {
    const context = only(names, CONTEXT);
    return context === undefined
      ? { prompt: asked, completion: answered }
      : { instruction: asked, input: context, output: answered };
  }
  for (const pair of PAIRS) {
    const [prompt, completion] = pair.map((name) => only(names, [name]));
    if (prompt !== undefined && completion !== undefined) return { prompt, completion };
  }
  return undefined;
}

/** The only one of the names that is among the known ones, in any case of letters. */
function only(names: readonly string[], known: readonly string[]): string | undefined {
  const found = names.filter((name) => known.includes(name.trim().toLowerCase()));
  return found.length === 1 ? found[0] : undefined;
}
