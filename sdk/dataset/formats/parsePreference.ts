import { checkText, type Fields } from "./checkText.ts";
import type { Content, Message, PreferenceRow } from "./DatasetRow.ts";
import { type Finding, isError } from "./Finding.ts";
import { parseMessageList } from "./parseMessages.ts";

const KEYS = {
  preference: { prompt: "prompt", chosen: "chosen", rejected: "rejected" },
  preferred_output: {
    prompt: "input",
    chosen: "preferred_output",
    rejected: "non_preferred_output",
  },
} as const;

/** Parses a prompt with a preferred and a rejected answer: three texts, or three lists of messages. */
export function parsePreference(
  fields: Fields,
  format: PreferenceRow["format"],
  findings: Finding[],
): PreferenceRow {
  const keys = KEYS[format];
  const before = findings.length;
  const asText = format === "preference" && typeof fields.prompt === "string";
  const prompt =
    format === "preferred_output"
      ? parseMessageList(openInput(fields.input, findings), "input.messages", findings)
      : asText
        ? checkText(fields, keys.prompt, "empty-text", findings)
        : parseMessageList(fields.prompt, keys.prompt, findings);
  const answer = (key: string): Content =>
    asText ? checkText(fields, key, "empty-answer", findings) : parseAnswer(fields, key, findings);
  const chosen = answer(keys.chosen);
  const rejected = answer(keys.rejected);
  if (!findings.slice(before).some(isError) && isSame(chosen, rejected)) {
    const message = `${keys.chosen} and ${keys.rejected} are the same.`;
    findings.push({ rule: "same-answers", message });
  }
  return { format, prompt, chosen, rejected };
}

/** The messages of `input`, which may contain nothing else. */
function openInput(input: unknown, findings: Finding[]): unknown {
  const isObject = typeof input === "object" && input !== null && !Array.isArray(input);
  if (isObject && Object.keys(input).join() === "messages") {
    return (input as { messages: unknown }).messages;
  }
  const message = 'input is not an object of the form {"messages": […]}.';
  findings.push({ rule: "bad-messages", message });
  return [{ role: "user", content: "unknown" }];
}

function parseAnswer(fields: Fields, key: string, findings: Finding[]): Message[] {
  const before = findings.length;
  const messages = parseMessageList(fields[key], key, findings);
  const isSound = !findings.slice(before).some(isError);
  if (isSound && messages.every(({ role }) => role !== "assistant")) {
    findings.push({ rule: "no-assistant", message: `${key} has no message from the assistant.` });
  }
  return messages;
}

function isSame(one: Content, other: Content): boolean {
  if (typeof one === "string" || typeof other === "string") return one === other;
  return (
    one.length === other.length &&
    one.every(({ role, content }, n) => role === other[n]!.role && content === other[n]!.content)
  );
}
