import type { DatasetKind, DatasetRow, Message } from "./DatasetRow.ts";
import type { RuleId } from "./rules.ts";

/** A row, if all its fields are sound, and what is wrong with it. */
export interface ParsedRow {
  readonly format?: DatasetRow["format"];
  readonly row?: DatasetRow;
  /** The label was a JSON integer, or a JSON string; undefined where that cannot be told. */
  readonly labelType?: "integer" | "string";
  readonly findings: Finding[];
}

export interface Finding {
  readonly rule: RuleId;
  readonly message: string;
}

type Fields = Readonly<Record<string, unknown>>;

const FORMATS = {
  "causal-lm": {
    messages: { required: ["messages"], optional: [] },
    prompt: { required: ["prompt", "completion"], optional: [] },
    text: { required: ["text"], optional: [] },
    instruction: { required: ["instruction", "output"], optional: ["input"] },
  },
  "text-classification": { label: { required: ["text", "label"], optional: [] } },
} as const;

const ROLES = ["system", "user", "assistant"];

/** Parses one line of a .jsonl file. */
export function parseJsonRow(text: string, kind: DatasetKind): ParsedRow {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return only("invalid-json", `The line is not JSON: ${(error as Error).message}.`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return only("not-an-object", "The line is JSON, but not an object.");
  }
  const fields = value as Fields;
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

/** Findings that do not make a row unusable. */
const WARNINGS: readonly RuleId[] = ["blank-text", "role-order"];

function isError({ rule }: Finding): boolean {
  return !WARNINGS.includes(rule);
}

function only(rule: RuleId, message: string): ParsedRow {
  return { findings: [{ rule, message }] };
}

/** The format whose keys a row has; the nearest one where it has some of them. */
function findFormat(
  fields: Fields,
  kind: DatasetKind,
  findings: Finding[],
): DatasetRow["format"] | undefined {
  const keys = Object.keys(fields);
  const known = Object.entries(FORMATS[kind]) as [
    DatasetRow["format"],
    { required: readonly string[]; optional: readonly string[] },
  ][];
  const begun = known.filter(([, { required }]) => required.some((key) => keys.includes(key)));
  const nearest =
    begun.find(([, { required }]) => required.every((key) => keys.includes(key))) ?? begun[0];
  if (!nearest) {
    const found = keys.length > 0 ? keys.map(quote).join(", ") : "none";
    findings.push({
      rule: "unknown-format",
      message: `The keys of the row fit no format (found: ${found}).`,
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
    });
  }
  return format;
}

function parseCausalFields(
  fields: Fields,
  format: Exclude<DatasetRow["format"], "label">,
  findings: Finding[],
): DatasetRow {
  switch (format) {
    case "messages":
      return { format, messages: parseMessages(fields.messages, findings) };
    case "text":
      return { format, text: checkText(fields, "text", "empty-text", findings) };
    case "prompt":
      return {
        format,
        prompt: checkText(fields, "prompt", "empty-text", findings),
        completion: checkText(fields, "completion", "empty-answer", findings),
      };
    case "instruction": {
      const instruction = checkText(fields, "instruction", "empty-text", findings);
      const input = "input" in fields ? checkText(fields, "input", undefined, findings) : "";
      return {
        format,
        prompt: `${instruction}${input === "" ? "" : `\n${input}`}\n`,
        completion: checkText(fields, "output", "empty-answer", findings),
      };
    }
  }
}

function parseMessages(value: unknown, findings: Finding[]): Message[] {
  if (!Array.isArray(value) || value.length === 0) {
    findings.push({
      rule: "bad-messages",
      message: "messages is not a list with at least one message.",
    });
    return [];
  }
  const before = findings.length;
  value.forEach((message, index) => {
    parseMessage(message, `messages[${index}]`, findings);
  });
  const messages = value as Message[];
  if (findings.slice(before).some(isError)) return messages;
  if (messages.every(({ role }) => role !== "assistant")) {
    findings.push({ rule: "no-assistant", message: "No message is the assistant's." });
  } else {
    checkRoleOrder(messages, findings);
  }
  return messages;
}

function parseMessage(message: unknown, place: string, findings: Finding[]): void {
  const keys = typeof message === "object" && message !== null ? Object.keys(message) : [];
  if (Array.isArray(message) || keys.toSorted().join() !== "content,role") {
    findings.push({
      rule: "bad-message",
      message: `${place} is not an object with role and content alone.`,
    });
    return;
  }
  const fields = message as Fields;
  if (typeof fields.role !== "string" || !ROLES.includes(fields.role)) {
    findings.push({
      rule: "unknown-role",
      message: `${place} has the role ${quote(fields.role)}.`,
    });
  }
  const empty = fields.role === "assistant" ? "empty-answer" : "empty-text";
  checkText(fields, "content", empty, findings, `${place}.content`);
}

function checkRoleOrder(messages: readonly Message[], findings: Finding[]): void {
  const turns = messages[0]!.role === "system" ? messages.slice(1) : messages;
  const expected = (index: number) => (index % 2 === 0 ? "user" : "assistant");
  const wrong = turns.findIndex(({ role }, index) => role !== expected(index));
  if (wrong >= 0) {
    const index = wrong + messages.length - turns.length;
    findings.push({
      rule: "role-order",
      message: `messages[${index}] is ${turns[wrong]!.role}'s where ${expected(wrong)}'s turn is.`,
    });
  } else if (turns.at(-1)?.role !== "assistant") {
    findings.push({ rule: "role-order", message: "The last message is not the assistant's." });
  }
}

/** Checks one text; `empty` is the rule that an empty one breaks, undefined where it may be empty. */
function checkText(
  fields: Fields,
  key: string,
  empty: "empty-text" | "empty-answer" | "missing-label" | undefined,
  findings: Finding[],
  place = key,
): string {
  const value = fields[key];
  if (typeof value !== "string") {
    findings.push({ rule: "wrong-type", message: `${place} is ${typeName(value)}, not a text.` });
    return "";
  }
  if (!value.isWellFormed()) {
    findings.push({
      rule: "half-character",
      message: `${place} holds half of a surrogate pair.`,
    });
  }
  if (value === "" && empty) findings.push({ rule: empty, message: `${place} is empty.` });
  if (value !== "" && empty && value.trim() === "") {
    findings.push({ rule: "blank-text", message: `${place} is white space alone.` });
  }
  return value;
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
      message: `label is ${typeName(label)}, not a text or an integer from 0.`,
    });
  }
  const row = { format: "label", text, label: labelText } as const;
  return findings.some(isError)
    ? { format: "label", labelType, findings }
    : { format: "label", labelType, row, findings };
}

/** 1.0 and 1e0 are numbers in JSON, but the trainer's language tells them from integers. */
function isWholeLabel(label: unknown, source: string): boolean {
  if (typeof label !== "number" || label < 0 || label >= 1e9) return false;
  let written = "";
  JSON.parse(source, (key, value, context?: { source?: string }) => {
    if (key === "label") written = context?.source ?? "";
    return value;
  });
  return /^-?\d+$/.test(written);
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "number") return `the number ${value}`;
  return typeof value === "boolean" ? String(value) : "a text";
}

/** A value as JSON, cut to what fits into a sentence. */
function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
