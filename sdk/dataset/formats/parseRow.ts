import { didYouMean } from "../../didYouMean.ts";
import { checkText, type Fields, quote } from "./checkText.ts";
import type { DatasetKind, DatasetRow } from "./DatasetRow.ts";
import { type Finding, isError } from "./Finding.ts";
import { checkRoleOrder, parseConversation, parseMessageList } from "./parseMessages.ts";
import { parsePreference } from "./parsePreference.ts";
import { checkCallIds, parseTools, readLine } from "./parseTools.ts";
import type { RuleId } from "./rules.ts";

/** A row, if all its fields are valid, and its problems. */
export interface ParsedRow {
  readonly format?: DatasetRow["format"];
  readonly row?: DatasetRow;
  /** Whether the label was a JSON integer or a JSON string; undefined if that is not known. */
  readonly labelType?: "integer" | "string";
  readonly findings: Finding[];
}

/** Kinds whose rows are lines of text. */
export type TextKind = Exclude<DatasetKind, "image-classification">;

type PromptRow = Extract<DatasetRow, { format: "prompt" | "instruction" }>;

type JsonFormat = Exclude<DatasetRow["format"], "tokens" | "image">;

/** The keys of each format, by kind of model. */
export const ROW_FORMATS = {
  "causal-lm": {
    messages: {
      required: ["messages"],
      optional: ["tools", "functions", "parallel_tool_calls"],
    },
    prompt: { required: ["prompt", "completion"], optional: ["tools"] },
    unpaired: { required: ["prompt", "completion", "label"], optional: ["tools"] },
    text: { required: ["text"], optional: [] },
    instruction: { required: ["instruction", "output"], optional: ["input"] },
    preference: { required: ["chosen", "rejected"], optional: ["prompt", "tools"] },
    preferred_output: {
      required: ["input", "preferred_output", "non_preferred_output"],
      optional: [],
    },
  },
  "text-classification": { label: { required: ["text", "label"], optional: [] } },
} as const;

/** Parses one line of a .jsonl file. */
export function parseJsonRow(text: string, kind: TextKind): ParsedRow {
  let value: unknown;
  try {
    value = JSON.parse(text);
    value = readLine(text, value);
  } catch (error) {
    return only("invalid-json", `The line is not JSON (${reasonOf(error as Error)}).`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return only("not-an-object", "The line is JSON, but not an object.");
  }
  const fields = value as Fields;
  const cut = Object.keys(fields).find((key) => !key.isWellFormed());
  if (cut !== undefined) {
    return only("half-character", `The key ${quote(cut)} contains half of a surrogate pair.`);
  }
  const findings: Finding[] = [];
  const format = findFormat(fields, kind, findings);
  if (!format || findings.length > 0) return { findings };
  if (format === "label") return parseLabelFields(fields, findings, text);
  const row = parseCausalFields(fields, format, findings);
  return findings.some(isError) ? { format, findings } : { format, row, findings };
}

/** Checks the two columns of a .csv or .tsv row. */
export function parseColumns(text: string, label: string): ParsedRow {
  const findings: Finding[] = [];
  checkText({ text }, "text", "empty-text", findings);
  if (label === "") findings.push({ rule: "missing-label", message: "label is empty." });
  if (findings.some(isError)) return { format: "label", findings };
  return { format: "label", row: { format: "label", text, label }, findings };
}

/** Node's reason, without the line: the text that it read is one line. */
function reasonOf({ message }: Error): string {
  return message.replace(/ \(line 1 column \d+\)$/, "");
}

function only(rule: RuleId, message: string): ParsedRow {
  return { findings: [{ rule, message }] };
}

/** The format whose keys a row has, or the closest one if it has only some of them. */
function findFormat(fields: Fields, kind: TextKind, findings: Finding[]): JsonFormat | undefined {
  const keys = Object.keys(fields);
  const known = Object.entries(ROW_FORMATS[kind]) as [
    JsonFormat,
    { required: readonly string[]; optional: readonly string[] },
  ][];
  const present = ([, { required }]: (typeof known)[number]) =>
    required.filter((key) => keys.includes(key)).length / required.length;
  const all = ([, { required, optional }]: (typeof known)[number]) =>
    [...required, ...optional].filter((key) => keys.includes(key)).length;
  const nearest = known.toSorted((a, b) => present(b) - present(a) || all(b) - all(a))[0]!;
  if (present(nearest) === 0) {
    const found = keys.length > 0 ? keys.toSorted().map(quote).join(", ") : "none";
    findings.push({
      rule: "unknown-format",
      message: `The keys of the row fit no format (found: ${found}).`,
      meant: keys
        .map((key) =>
          didYouMean(
            key,
            known.flatMap(([, { required }]) => required),
          ),
        )
        .find(Boolean),
    });
    return undefined;
  }
  const [format, { required, optional }] = nearest;
  for (const key of required.filter((key) => !keys.includes(key))) {
    findings.push({
      rule: key === "label" ? "missing-label" : "missing-field",
      message: `The row has ${required.filter((other) => keys.includes(other)).join(", ")} but no ${key}.`,
    });
  }
  for (const key of keys.filter((key) => !required.includes(key) && !optional.includes(key))) {
    findings.push({
      rule: "unknown-field",
      message: `The row has the key ${quote(key)}, which is not part of its format.`,
      meant: didYouMean(
        key,
        [...required, ...optional].filter((name) => !keys.includes(name)),
      ),
    });
  }
  return format;
}

function parseCausalFields(
  fields: Fields,
  format: Exclude<JsonFormat, "label">,
  findings: Finding[],
): DatasetRow {
  switch (format) {
    case "messages":
      return parseMessagesRow(fields, findings);
    case "text":
      return { format, text: checkText(fields, "text", "empty-text", findings) };
    case "prompt":
      return parsePromptRow(fields, findings);
    case "unpaired":
      return parseUnpairedRow(fields, findings);
    case "instruction": {
      const instruction = checkText(fields, "instruction", "empty-text", findings);
      const input = "input" in fields ? checkText(fields, "input", undefined, findings) : "";
      return {
        format,
        prompt: `${instruction}${input === "" ? "" : `\n${input}`}\n`,
        completion: checkText(fields, "output", "empty-answer", findings),
      };
    }
    case "preference":
    case "preferred_output":
      return parsePreference(fields, format, findings);
  }
}

function parseMessagesRow(fields: Fields, findings: Finding[]): DatasetRow {
  const messages = parseConversation(fields.messages, "messages", findings);
  const tools = parseTools(fields, findings);
  const { parallel_tool_calls: parallel = null } = fields;
  if (parallel !== null && typeof parallel !== "boolean") {
    findings.push({ rule: "bad-tools", message: "parallel_tool_calls is not true or false." });
  }
  if (!findings.some(isError)) {
    checkCallIds(messages, "messages", findings);
    checkRoleOrder(messages, findings);
  }
  return { format: "messages", messages, ...(tools && { tools }) };
}

/** A prompt, an answer, and whether the answer is desirable. */
function parseUnpairedRow(fields: Fields, findings: Finding[]): DatasetRow {
  const row = parsePromptRow(fields, findings);
  const { label } = fields;
  if (typeof label !== "boolean") {
    const rule = label === null ? "missing-label" : "bad-label";
    findings.push({ rule, message: "label is neither true nor false." });
  }
  return { ...row, format: "unpaired", desirable: label === true };
}

/** Two texts, or two lists of messages. */
function parsePromptRow(fields: Fields, findings: Finding[]): PromptRow {
  const tools = parseTools(fields, findings);
  const rest = { format: "prompt", ...(tools && { tools }) } as const;
  if (!Array.isArray(fields.prompt)) {
    if (tools) findings.push({ rule: "bad-tools", message: "tools are only used with messages." });
    return {
      ...rest,
      prompt: checkText(fields, "prompt", "empty-text", findings),
      completion: checkText(fields, "completion", "empty-answer", findings),
    };
  }
  const prompt = parseMessageList(fields.prompt, "prompt", findings);
  const completion = parseConversation(fields.completion, "completion", findings);
  if (!findings.some(isError)) checkCallIds([...prompt, ...completion], "completion", findings);
  return { ...rest, prompt, completion };
}

function parseLabelFields(fields: Fields, findings: Finding[], source: string): ParsedRow {
  const text = checkText(fields, "text", "empty-text", findings);
  const { label } = fields;
  let labelType: ParsedRow["labelType"];
  let labelText = "";
  if (typeof label === "string") {
    labelType = "string";
    labelText = checkText(fields, "label", "missing-label", findings);
  } else if (isWholeLabel(label, source)) {
    labelType = "integer";
    labelText = String(label);
  } else {
    findings.push({
      rule: label === null ? "missing-label" : "bad-label",
      message: "label is neither a text nor an integer from 0.",
    });
  }
  const row = { format: "label", text, label: labelText } as const;
  return findings.some(isError)
    ? { format: "label", labelType, findings }
    : { format: "label", labelType, row, findings };
}

/** JSON does not distinguish 1.0 and 1e0 from 1, but Python does. */
function isWholeLabel(label: unknown, source: string): boolean {
  if (typeof label !== "number" || label < 0 || label >= 1e9) return false;
  let written = "";
  JSON.parse(source, (key, value, context?: { source?: string }) => {
    if (key === "label") written = context?.source ?? "";
    return value;
  });
  return /^-?\d+$/.test(written);
}
