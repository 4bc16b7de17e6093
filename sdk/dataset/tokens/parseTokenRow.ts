import type { TokenRow } from "../formats/DatasetRow.ts";
import type { Finding } from "../formats/Finding.ts";

type Integers = ArrayLike<number | bigint | null> | null | undefined;

/** One row of the table. */
export interface TokenColumns {
  readonly input_ids: Integers;
  readonly attention_mask?: Integers;
  readonly labels?: Integers;
}

/** Label of a token that does not count in the loss. */
const IGNORED = -100;

/** Removes the padding of a row, or returns its problem. */
export function parseTokenRow(columns: TokenColumns, vocabulary: number): TokenRow | Finding {
  const all = columns.input_ids?.length ?? 0;
  for (const [name, values] of Object.entries(columns) as [string, Integers][]) {
    const finding = checkValues(name, values, all);
    if (finding) return finding;
  }
  const { input_ids: allIds, attention_mask: mask, labels } = columns;
  const filled = mask ? findFilled(numbers(mask)) : { begin: 0, end: all };
  if (!filled) {
    return { rule: "bad-mask", message: "attention_mask is not ones with zeros around them." };
  }
  const { begin, end } = filled;
  const ids = numbers(allIds!).slice(begin, end);
  if (ids.length === 0) return { rule: "no-tokens", message: "The row has no tokens." };
  const unknown = ids.find((id) => id < 0 || id >= vocabulary);
  if (unknown !== undefined) {
    const known = Number.isFinite(vocabulary) ? ` of ${vocabulary}` : "";
    const message = `The token id ${unknown} is not in the model's vocabulary${known}.`;
    return { rule: "unknown-token", message };
  }
  const wanted = labels ? numbers(labels).slice(begin, end) : ids;
  const shifted = wanted.findIndex((label, n) => label !== ids[n] && label !== IGNORED);
  if (shifted >= 0) {
    const message = `A label is ${wanted[shifted]}, but its token is ${ids[shifted]}.`;
    return { rule: "shifted-labels", message };
  }
  return { format: "tokens", ids, counts: wanted.map((label) => label !== IGNORED) };
}

function checkValues(name: string, values: Integers, expected: number): Finding | undefined {
  if (!values || Array.prototype.includes.call(values, null)) {
    return { rule: "null-value", message: `${name} has a null.` };
  }
  if (values.length !== expected) {
    const message = `${name} has ${values.length} values, input_ids ${expected}.`;
    return { rule: "column-length", message };
  }
  return undefined;
}

function numbers(values: NonNullable<Integers>): number[] {
  return Array.from(values, Number);
}

/** Begin and end of the tokens between the padding; undefined if the mask is invalid. */
function findFilled(mask: readonly number[]): { begin: number; end: number } | undefined {
  if (mask.some((value) => value !== 0 && value !== 1)) return undefined;
  const begin = mask.includes(1) ? mask.indexOf(1) : mask.length;
  const end = mask.lastIndexOf(1) + 1 || mask.length;
  return mask.slice(begin, end).includes(0) ? undefined : { begin, end };
}
