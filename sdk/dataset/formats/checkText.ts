import type { Finding } from "./Finding.ts";

/** Maximum number of characters of a quoted value. */
const MAX_QUOTED = 40;

export type Fields = Readonly<Record<string, unknown>>;

/** Checks one text; `empty` is the rule that an empty text breaks, undefined if it may be empty. */
export function checkText(
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
      message: `${place} contains half of a surrogate pair.`,
    });
  }
  if (value === "" && empty) findings.push({ rule: empty, message: `${place} is empty.` });
  if (value !== "" && empty && value.trim() === "") {
    findings.push({ rule: "blank-text", message: `${place} contains only white space.` });
  }
  return value;
}

export function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "number") return "a number";
  return typeof value === "boolean" ? String(value) : "a text";
}

/** A value as JSON, shortened to fit into a sentence. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  const start = [...text.slice(0, 2 * MAX_QUOTED + 2)];
  return start.length > MAX_QUOTED ? `${start.slice(0, MAX_QUOTED - 1).join("")}…` : text;
}
