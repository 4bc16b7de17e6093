/** What a rule of a dataset is about, how bad breaking it is, and what to do about it. */
export interface Rule {
  /** Errors make a task fail at the provider; warnings only waste money. */
  readonly severity: "error" | "warning";
  readonly meaning: string;
  readonly hint: string;
}

const ONE_OBJECT = "Write one JSON object on each line.";
const ONE_FORMAT =
  "Give every row exactly the keys of one format: messages; prompt and completion; text; instruction, output and optionally input.";
const MESSAGES = 'Write messages as [{"role": "user", "content": "…"}, …].';

/** Every rule of the dataset formats. The trainer refuses what breaks an error rule. */
export const RULES = {
  "file-type": error(
    "A causal language model is trained on .jsonl, a classifier on .jsonl, .csv or .tsv.",
    "Convert the dataset, or give the file the ending that fits its content.",
  ),
  "no-rows": error("A dataset has at least one row.", "Give at least one row."),
  "not-utf-8": error("A dataset is UTF-8.", "Save the file as UTF-8."),
  "line-too-long": error(
    "A row has at most 16 MiB.",
    "Split the row, and check that quotation marks and line ends are where they should be.",
  ),
  "blank-line": error("Blank lines are allowed only at the end of the file.", "Remove the line."),
  "invalid-json": error("Each line of a .jsonl file is JSON.", ONE_OBJECT),
  "not-an-object": error("Each line of a .jsonl file is a JSON object.", ONE_OBJECT),
  "unknown-format": error("The keys of a row are those of one format.", ONE_FORMAT),
  "missing-field": error("A row has all keys of its format.", ONE_FORMAT),
  "unknown-field": error("A row has no keys but those of its format.", ONE_FORMAT),
  "mixed-formats": error("All rows of a file have the same format.", ONE_FORMAT),
  "wrong-type": error("Texts are JSON strings.", "Write the value in quotation marks."),
  "empty-text": error("A text that is learned from is not empty.", "Fill it in or remove the row."),
  "empty-answer": error(
    "What the model should answer is not empty.",
    "Fill the answer in or remove the row.",
  ),
  "half-character": error(
    "Texts hold whole characters, not halves of a surrogate pair.",
    "Write the character itself, or both halves of its escape.",
  ),
  "bad-messages": error("messages is a list with at least one message.", MESSAGES),
  "bad-message": error("A message has a role and a content, and nothing else.", MESSAGES),
  "unknown-role": error(
    "A message's role is system, user or assistant.",
    "Use system, user or assistant.",
  ),
  "no-assistant": error(
    "A conversation has a message of the assistant to learn from.",
    "Add the assistant's answer or remove the row.",
  ),
  "bad-header": error(
    "A .csv file starts with the header text,label; a .tsv file with text<TAB>label, or without a header with integer label<TAB>text.",
    "Start the file with a header of the two columns text and label.",
  ),
  "column-count": error(
    "Each row has the two columns text and label.",
    "Give every row exactly a text and a label; in .csv put a text with commas in quotation marks.",
  ),
  "bad-quotes": error(
    "Quotation marks in a .csv file match.",
    'Put fields with commas in quotation marks and double those inside: "a ""b"" c".',
  ),
  "missing-label": error("Every row has a label.", "Give the row a label or remove it."),
  "bad-label": error(
    "Labels are words, or integers from 0.",
    "Write labels as 0, 1, … or as words; a .tsv file with words needs a header.",
  ),
  "mixed-labels": error(
    "Labels are all JSON strings or all JSON integers.",
    "Write all labels alike.",
  ),
  "label-gap": error(
    "Integer labels are 0, 1, … without a gap.",
    "Number the labels from 0 without a gap, or use words.",
  ),
  "one-label": error(
    "There are at least two different labels to tell apart.",
    "Give rows of at least two labels.",
  ),
  "unknown-label": error(
    "A validation dataset has only labels of the training dataset.",
    "Add rows with this label to the training dataset, or remove the row.",
  ),
  "byte-order-mark": warning(
    "A byte order mark at the start of the file is dropped.",
    "Save the file as UTF-8 without a byte order mark.",
  ),
  "duplicate-row": warning(
    "A row that is there twice is paid and learned twice.",
    "Remove the row unless it is repeated on purpose.",
  ),
  "blank-text": warning(
    "A text of white space alone teaches nothing.",
    "Fill it in or remove the row.",
  ),
  "role-order": warning(
    "A conversation goes: at most one system message first, then user and assistant in turn, the assistant last.",
    "Order the messages so; many models' chat templates refuse any other order.",
  ),
} as const satisfies Record<string, Rule>;

export type RuleId = keyof typeof RULES;

/** One broken rule at one place. `hint` says what to do next. */
export interface Problem {
  readonly file: string;
  /** First line of the row, from 1. */
  readonly line: number;
  readonly rule: RuleId;
  readonly severity: "error" | "warning";
  readonly message: string;
  readonly hint: string;
}

function error(meaning: string, hint: string) {
  return { severity: "error", meaning, hint } as const;
}

function warning(meaning: string, hint: string) {
  return { severity: "warning", meaning, hint } as const;
}
