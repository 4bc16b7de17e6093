import { checkText, type Fields, quote } from "./checkText.ts";
import type { Message } from "./DatasetRow.ts";
import { type Finding, isError } from "./Finding.ts";

const ROLES = ["system", "user", "assistant"];

/** Parses a conversation for training. */
export function parseMessages(value: unknown, findings: Finding[]): Message[] {
  const before = findings.length;
  const messages = parseMessageList(value, "messages", findings);
  if (findings.slice(before).some(isError)) return messages;
  if (messages.every(({ role }) => role !== "assistant")) {
    findings.push({ rule: "no-assistant", message: "messages has no message from the assistant." });
  } else {
    checkRoleOrder(messages, findings);
  }
  return messages;
}

/** Parses a list of messages of any roles; `key` is its key in the row. */
export function parseMessageList(value: unknown, key: string, findings: Finding[]): Message[] {
  if (!Array.isArray(value) || value.length === 0) {
    const message = `${key} is not a list with at least one message.`;
    findings.push({ rule: "bad-messages", message });
    return [];
  }
  value.forEach((message, index) => {
    parseMessage(message, `${key}[${index}]`, findings);
  });
  return value as Message[];
}

function parseMessage(message: unknown, place: string, findings: Finding[]): void {
  const keys = typeof message === "object" && message !== null ? Object.keys(message) : [];
  if (Array.isArray(message) || keys.toSorted().join() !== "content,role") {
    findings.push({
      rule: "bad-message",
      message: `${place} is not an object with only role and content.`,
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
      message: `messages[${index}] has the role ${turns[wrong]!.role}, but it is the ${expected(wrong)}'s turn.`,
    });
  } else if (turns.at(-1)?.role !== "assistant") {
    findings.push({ rule: "role-order", message: "The last message is not from the assistant." });
  }
}
