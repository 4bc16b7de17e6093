import type { ForeignFile } from "../../ForeignFile.ts";

/** A rule for datasets: its meaning, its severity, and how to fix a violation. */
export interface Rule {
  /** Errors make a task fail at the provider; warnings only cost money. */
  readonly severity: "error" | "warning";
  readonly meaning: string;
  readonly hint: string;
}

const ONE_OBJECT = "Write one JSON object on each line.";
const ONE_FORMAT =
  "Give every row exactly the keys of one format: messages and optionally tools; prompt and completion; prompt, completion and label; text; instruction, output and optionally input; chosen, rejected and optionally prompt; input, preferred_output and non_preferred_output; for a text classifier text and label.";
const PACK_AGAIN = "Pack the class folders again with zip or tar.";
const LAYOUT =
  "Put every image into the folder of its class: class/image, or with one top folder around all classes, top/class/image.";
const REPAIR = "Replace the image with an undamaged one or remove it.";
const COLUMNS =
  "Give the column input_ids, a list of integers, and optionally attention_mask and labels.";
const MESSAGES = 'Write messages as [{"role": "user", "content": "…"}, …].';

/** All rules of the dataset formats. The trainer refuses a dataset that breaks an error rule. */
export const RULES = {
  "file-type": error(
    "A causal language model is trained on .jsonl or .parquet, a text classifier on .jsonl, .csv or .tsv, an image classifier on .zip, .tar or .tar.gz.",
    "Convert the dataset, or give the file the extension for its content.",
  ),
  "no-rows": error(
    "A dataset has at least one row.",
    "Give at least one row, in an archive at least one image: class/image.",
  ),
  compressed: error("A dataset of lines is not compressed.", "Unpack it."),
  "not-utf-8": error("A dataset is valid UTF-8.", "Save the file as UTF-8."),
  "line-too-long": error(
    "A row has at most 16 MiB.",
    "Split the row, and check its quotation marks and line ends.",
  ),
  "blank-line": error("Blank lines are allowed only at the end of the file.", "Remove the line."),
  "json-array": error("A .jsonl file is lines, not one JSON array.", ONE_OBJECT),
  "invalid-json": error("Each line of a .jsonl file is JSON.", ONE_OBJECT),
  "not-an-object": error("Each line of a .jsonl file is a JSON object.", ONE_OBJECT),
  "unknown-format": error("The keys of a row are those of one format.", ONE_FORMAT),
  "missing-field": error("A row has all keys of its format.", ONE_FORMAT),
  "unknown-field": error("A row has no keys other than those of its format.", ONE_FORMAT),
  "mixed-formats": error("All rows of a file have the same format.", ONE_FORMAT),
  "wrong-type": error("Texts are JSON strings.", "Write the value in quotation marks."),
  "empty-text": error("A text to learn from is not empty.", "Fill it in or remove the row."),
  "empty-answer": error("An answer to learn is not empty.", "Fill it in or remove the row."),
  "half-character": error(
    "Texts contain whole characters, not halves of a surrogate pair.",
    "Write the character itself, or both halves of its escape.",
  ),
  "bad-messages": error("messages is a list with at least one message.", MESSAGES),
  "bad-message": error(
    "A message has a role and a content, and no keys but those of its role.",
    MESSAGES,
  ),
  "unknown-role": error(
    "A message's role is system, developer, user, assistant or tool.",
    "Use system, developer, user, assistant or tool.",
  ),
  "content-part": error(
    "The parts of a content are texts.",
    'Give a text, or parts of the form {"type": "text", "text": "…"}; images and sound are not learned.',
  ),
  "bad-weight": error(
    "The weight of a message is 0 or 1.",
    "Write 0 for an answer that is not learned, and 1 or nothing for the others.",
  ),
  "bad-tools": error(
    "tools is a list of functions.",
    'Write tools as [{"type": "function", "function": {"name": "…", "description": "…", "parameters": {…}}}, …].',
  ),
  "bad-tool-call": error(
    "A call has a name and arguments, and a message of a tool answers a call before it.",
    'Write calls as {"id": "…", "type": "function", "function": {"name": "…", "arguments": "{…}"}}, and their id as the tool_call_id of the answer.',
  ),
  "no-assistant": error(
    "A conversation has a message of the assistant.",
    "Add the assistant's answer or remove the row.",
  ),
  "same-answers": error(
    "The two answers of a preference pair differ, even after truncation.",
    "Give two answers that differ within max_seq_length, or remove the row.",
  ),
  "template-refuses": error(
    "The model's chat template accepts the messages and writes all of an answer, and the assistant's last turn can be located in its output.",
    "Give messages as the model's chat template takes them, or prompt and completion; if it rewrites earlier turns, cut the conversation after each answer, or train with train_on_inputs true.",
  ),
  "no-prompt": error(
    "If prompts are masked, a row has a prompt.",
    "Put a user message before the assistant's, or set train_on_inputs to true.",
  ),
  "nothing-learned": error(
    "A row has tokens to learn within max_seq_length.",
    "Give an answer to learn, shorten the prompt, or raise max_seq_length.",
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
    "Labels are words, or integers from 0; of answers, true or false.",
    "Write labels as 0, 1, … or as words, for answers as true or false; a .tsv file with words needs a header.",
  ),
  "mixed-labels": error(
    "Labels are all JSON strings or all JSON integers.",
    "Write all labels alike.",
  ),
  "label-gap": error(
    "Integer labels are 0, 1, … without gaps.",
    "Number the labels from 0 without gaps, or use words.",
  ),
  "one-label": error(
    "There are at least two different labels.",
    "Give rows of at least two labels.",
  ),
  "unknown-label": error(
    "A validation dataset has only labels of the training dataset.",
    "Add rows with this label to the training dataset, or remove the row.",
  ),
  "damaged-archive": error("An archive is a complete and undamaged zip or tar.", PACK_AGAIN),
  "archive-too-large": error(
    "An archive has at most 1,000,000 entries, unpacks to at most 64 GiB, and beyond 16 MiB to at most 100 times its size. Beyond 268 million pixels, its images have at most 500 for each of its bytes.",
    "Give fewer or smaller images, compressed as JPEG or PNG.",
  ),
  "unsafe-path": error(
    "The paths in an archive are UTF-8, stay inside it, and have names of at most 255 characters.",
    PACK_AGAIN,
  ),
  "not-a-file": error(
    "An archive holds files and directories, no links or devices.",
    "Put the file itself into the archive.",
  ),
  "unreadable-entry": error(
    "The files of a zip are stored or deflated, and not encrypted.",
    "Pack the class folders again with deflate, zip's default, and without a password.",
  ),
  "no-class-folder": error(
    "Every image is in the folder of its class, and all class folders are at the top level of the archive or in one top folder.",
    LAYOUT,
  ),
  "duplicate-entry": error("An archive has each file only once.", "Remove one of them."),
  "image-type": error("An image is a JPEG or a PNG file.", "Convert the image to JPEG or PNG."),
  "image-damaged": error("An image is complete, and its checksums are correct.", REPAIR),
  "image-too-large": error(
    "An image has at most 64 million pixels and 64 MiB, and no edge is more than 100 times as long as the other.",
    "Scale the image down, or crop it.",
  ),
  "image-animated": error("An image has a single frame.", "Give a single frame."),
  "image-deep": error("An image has 8 bits per channel.", "Save it with 8 bits per channel."),
  "image-cmyk": error("An image is greyscale or RGB, not CMYK.", "Convert it to RGB."),
  "damaged-parquet": error("A .parquet file can be read.", "Write the file again as parquet."),
  "bad-columns": error(
    "The columns of a .parquet file are input_ids and optionally attention_mask and labels, lists of integers.",
    COLUMNS,
  ),
  "parquet-codec": error(
    "A .parquet file is compressed with snappy, gzip, zstd, brotli or not at all.",
    "Write it with zstd or snappy.",
  ),
  "row-group-too-large": error(
    "A row group has at most 8,388,608 values per column, as it is held in memory as a whole.",
    "Write it with smaller row groups: row_group_size=1000.",
  ),
  "parquet-too-large": error(
    "Beyond 16,777,216 values, a .parquet file unpacks to at most 100 values for each of its bytes.",
    "Use less padding, and no rows that repeat one token.",
  ),
  "null-value": error(
    "Token ids, masks and labels are numbers.",
    "Write a number or remove the row.",
  ),
  "column-length": error(
    "attention_mask and labels have one value for each token.",
    "Give one value for each token.",
  ),
  "bad-mask": error(
    "attention_mask is ones with zeros around them.",
    "Write 1 for tokens and 0 for the padding before or after them.",
  ),
  "no-tokens": error("A row has at least one token.", "Remove the row."),
  "unknown-token": error(
    "Token ids are in the model's vocabulary.",
    "Use the tokenizer of the model that is trained.",
  ),
  "shifted-labels": error(
    "A label is its token's id, or -100 if the token does not count.",
    "Repeat input_ids in labels without a shift, or write -100.",
  ),
  "byte-order-mark": warning(
    "A byte order mark at the start of the file is dropped.",
    "Save the file as UTF-8 without a byte order mark.",
  ),
  "duplicate-row": warning(
    "A duplicate row is paid for and learned twice.",
    "Remove the row unless it is repeated on purpose.",
  ),
  "blank-text": warning(
    "A text of only white space teaches nothing.",
    "Fill it in or remove the row.",
  ),
  "template-rewrites": warning(
    "The model's chat template leaves earlier turns unchanged; what it rewrites is not learned.",
    "Cut the conversation after each answer, so that every answer is the last one of a row.",
  ),
  "name-ignored": warning(
    "The model's chat template writes the names of messages; what it leaves out is not learned.",
    "Write the name into the content of the message if the model has to know it, or remove it.",
  ),
  "missing-class": warning(
    "A validation dataset has all classes of the training dataset.",
    "Add rows of this class to the validation dataset.",
  ),
  "similar-labels": warning(
    "Labels differ in more than case, white space and Unicode normalization.",
    "Write them alike if they are one class, or give one of them another word.",
  ),
  "odd-label": warning(
    "A label is neither the text of a missing value, such as nan, nor a whole number with a decimal point.",
    "Give the row its label or remove it; write whole numbers as 0, 1, ….",
  ),
  "role-order": warning(
    "A conversation has at most one system message, at the start, then alternating user and assistant messages, the last from the assistant.",
    "Order the messages like this; many models' chat templates refuse any other order.",
  ),
} as const satisfies Record<string, Rule>;

export type RuleId = keyof typeof RULES;

/** A broken rule at a place in the file. `hint` says what to do next. */
export interface Problem {
  readonly file: string;
  /** First line of the row, number of the row in a table or of the entry in an archive, from 1. */
  readonly line: number;
  /** Path of the entry in an archive. */
  readonly entry?: string;
  readonly rule: RuleId;
  readonly severity: "error" | "warning";
  readonly message: string;
  readonly hint: string;
  /** The name that a misspelt key probably means. */
  readonly meant?: string;
  /** What the whole file is, if it is no dataset yet but can become one. */
  readonly foreign?: ForeignFile;
}

function error(meaning: string, hint: string) {
  return { severity: "error", meaning, hint } as const;
}

function warning(meaning: string, hint: string) {
  return { severity: "warning", meaning, hint } as const;
}
