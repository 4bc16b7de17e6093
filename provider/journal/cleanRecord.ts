import { printable } from "../../sdk/printable.ts";

/** Limits for untrusted JSON. */
const MAX_DEPTH = 4;
const MAX_MEMBERS = 100;
const MAX_NAME_LENGTH = 100;
const MAX_TEXT_LENGTH = 2_000;

/** Sanitizes an object that a training run wrote: finite numbers, short single-line texts, few members, few levels. */
export function cleanRecord(record: Record<string, unknown>): Record<string, unknown> {
  return clean(record, MAX_DEPTH) as Record<string, unknown>;
}

function clean(value: unknown, depth: number): unknown {
  if (typeof value === "string") return printable(value, MAX_TEXT_LENGTH);
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value === "boolean" || value === null) return value;
  if (depth === 0 || typeof value !== "object") return null;
  if (Array.isArray(value))
    return value.slice(0, MAX_MEMBERS).map((member) => clean(member, depth - 1));
  const members = Object.entries(value).slice(0, MAX_MEMBERS);
  return Object.fromEntries(
    members.map(([name, member]) => [printable(name, MAX_NAME_LENGTH), clean(member, depth - 1)]),
  );
}
