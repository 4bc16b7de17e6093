import { didYouMean } from "../../didYouMean.ts";
import { checkText, type Fields, quote, typeName } from "./checkText.ts";
import type { Message, Role, ToolCall } from "./DatasetRow.ts";
import { type Finding, isError } from "./Finding.ts";
import { parseToolCalls } from "./parseTools.ts";
import type { RuleId } from "./rules.ts";

/** The roles that rows may name, and what they mean: a function is the tool of an older format. */
const ROLES: Readonly<Record<string, Role>> = {
  system: "system",
  developer: "developer",
  user: "user",
  assistant: "assistant",
  tool: "tool",
  function: "tool",
};

/** What other formats call the roles. */
const FOREIGN_ROLES = new Map<unknown, Role>([
  ["human", "user"],
  ["gpt", "assistant"],
  ["bot", "assistant"],
  ["model", "assistant"],
  ["ai", "assistant"],
  ["observation", "tool"],
]);

/** The keys of a message beside role and content. */
const KEYS: Readonly<Record<Role, readonly string[]>> = {
  system: ["name"],
  developer: ["name"],
  user: ["name"],
  assistant: [
    "name",
    "reasoning_content",
    "reasoning",
    "thinking",
    "tool_calls",
    "function_call",
    "weight",
  ],
  tool: ["name", "tool_call_id"],
};

/** The names under which datasets have what the assistant thought. */
const REASONING = ["reasoning_content", "reasoning", "thinking"];

type Report = (rule: RuleId, message: string) => void;

/** Parses a conversation for training; `key` is its key in the row. */
export function parseConversation(value: unknown, key: string, findings: Finding[]): Message[] {
  const before = findings.length;
  const messages = parseMessageList(value, key, findings);
  if (findings.slice(before).some(isError)) return messages;
  checkAnswers(messages, key, findings);
  return messages;
}

/** A conversation to learn has an answer of the assistant that counts. */
export function checkAnswers(messages: readonly Message[], key: string, findings: Finding[]): void {
  const answers = messages.filter(({ role }) => role === "assistant");
  if (answers.length === 0) {
    const message = `${key} has no message from the assistant.`;
    findings.push({ rule: "no-assistant", message });
  } else if (answers.every(({ weight }) => weight === 0)) {
    const message = `${key} has the weight 0 in every message from the assistant.`;
    findings.push({ rule: "nothing-learned", message });
  }
}

/** Parses a list of messages of any roles; `key` is its key in the row. */
export function parseMessageList(value: unknown, key: string, findings: Finding[]): Message[] {
  if (!Array.isArray(value) || value.length === 0) {
    const message = `${key} is not a list with at least one message.`;
    findings.push({ rule: "bad-messages", message });
    return [];
  }
  return value.map((message, index) => parseMessage(message, `${key}[${index}]`, findings));
}

function parseMessage(value: unknown, place: string, findings: Finding[]): Message {
  const report: Report = (rule, message) => findings.push({ rule, message });
  const nothing: Message = { role: "user", content: "" };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    report("bad-message", `${place} is not an object.`);
    return nothing;
  }
  const fields = withoutNulls(value as Fields);
  if (!("role" in fields)) {
    report("bad-message", `${place} has no role.`);
    return nothing;
  }
  if (typeof fields.role !== "string" || !Object.hasOwn(ROLES, fields.role)) {
    const message = `${place} has the role ${quote(fields.role)}.`;
    findings.push({ rule: "unknown-role", message, meant: FOREIGN_ROLES.get(fields.role) });
    return nothing;
  }
  const role = ROLES[fields.role]!;
  for (const key of Object.keys(fields)) {
    if (key === "role" || key === "content" || KEYS[role].includes(key)) continue;
    findings.push(unknownKey(key, role, place));
  }
  const toolCalls = parseToolCalls(fields, place, report);
  const content = parseContent(fields, role, { place, hasCalls: toolCalls.length > 0, findings });
  return { role, content, ...parseExtras(fields, place, findings), ...given(toolCalls) };
}

function unknownKey(key: string, role: Role, place: string): Finding {
  const what = `which is not one of a message with the role ${role}`;
  return {
    rule: "bad-message",
    message: `${place} has the key ${quote(key)}, ${what}.`,
    meant: didYouMean(key, ["role", "content", ...KEYS[role]]),
  };
}

function given(toolCalls: readonly ToolCall[]): Pick<Message, "toolCalls"> {
  return toolCalls.length > 0 ? { toolCalls } : {};
}

/** Libraries write null for a key that a message does not have; a null content is left. */
function withoutNulls(fields: Fields): Fields {
  if (!Object.values(fields).includes(null)) return fields;
  return Object.fromEntries(
    Object.entries(fields).filter(([key, value]) => value !== null || key === "content"),
  );
}

function parseContent(
  fields: Fields,
  role: Role,
  { place, hasCalls, findings }: { place: string; hasCalls: boolean; findings: Finding[] },
): string | null {
  const { content } = fields;
  if (hasCalls && (content === undefined || content === null || content === "")) return null;
  if (content === undefined) {
    findings.push({ rule: "bad-message", message: `${place} has no content.` });
    return "";
  }
  const text = Array.isArray(content) ? joinParts(content, `${place}.content`, findings) : content;
  if (text === undefined) return "";
  const empty = role === "assistant" ? "empty-answer" : "empty-text";
  const rule = role === "tool" ? undefined : empty;
  return checkText({ content: text }, "content", rule, findings, `${place}.content`);
}

/** Joins parts of text; undefined if there are others. */
function joinParts(parts: readonly unknown[], place: string, findings: Finding[]) {
  let text = "";
  for (const [index, part] of parts.entries()) {
    const { type, text: content, ...rest } = Object(part) as Record<string, unknown>;
    const name = `${place}[${index}]`;
    if (type !== "text") {
      const what = type === undefined ? "no type" : `the type ${quote(type)}`;
      findings.push({ rule: "content-part", message: `${name} has ${what}, not "text".` });
      return undefined;
    }
    if (typeof content !== "string" || Object.keys(rest).length > 0) {
      const message = `${name} is not an object of the form {"type": "text", "text": "…"}.`;
      findings.push({ rule: "content-part", message });
      return undefined;
    }
    text += content;
  }
  return text;
}

function parseExtras(fields: Fields, place: string, findings: Finding[]): Partial<Message> {
  const text = (key: string) =>
    key in fields ? checkText(fields, key, "empty-text", findings, `${place}.${key}`) : undefined;
  const [name, toolCallId] = [text("name"), text("tool_call_id")];
  const reasoning = parseReasoning(fields, place, findings);
  const weight = parseWeight(fields, place, findings);
  return {
    ...(name !== undefined && { name }),
    ...(toolCallId !== undefined && { toolCallId }),
    ...(reasoning && { reasoning }),
    ...(weight !== undefined && { weight }),
  };
}

/** An empty text is no reasoning. */
function parseReasoning(fields: Fields, place: string, findings: Finding[]): string | undefined {
  const keys = REASONING.filter((key) => key in fields);
  if (keys.length > 1) {
    const message = `${place} has both ${keys[0]} and ${keys[1]}.`;
    findings.push({ rule: "bad-message", message });
  }
  const [key] = keys;
  return key && checkText(fields, key, undefined, findings, `${place}.${key}`);
}

function parseWeight(fields: Fields, place: string, findings: Finding[]): 0 | 1 | undefined {
  if (!("weight" in fields) || fields.weight === 0 || fields.weight === 1) {
    return fields.weight as 0 | 1 | undefined;
  }
  const found = typeof fields.weight === "number" ? String(fields.weight) : typeName(fields.weight);
  findings.push({ rule: "bad-weight", message: `${place}.weight is ${found}, not 0 or 1.` });
  return undefined;
}

/** Warns about an order of roles that many chat templates refuse. */
export function checkRoleOrder(messages: readonly Message[], findings: Finding[]): void {
  const first = messages[0]!.role;
  const start = first === "system" || first === "developer" ? 1 : 0;
  let previous: Role = "system";
  for (let index = start; index < messages.length; index++) {
    const { role } = messages[index]!;
    if (!isInOrder(previous, role, messages[index - 1])) {
      const turn = nextTurn(previous, messages[index - 1]);
      const message = `messages[${index}] has the role ${role}, but it is ${turn} turn.`;
      findings.push({ rule: "role-order", message });
      return;
    }
    previous = role;
  }
  if (previous !== "assistant") {
    findings.push({ rule: "role-order", message: "The last message is not from the assistant." });
  }
}

function isInOrder(previous: Role, role: Role, before: Message | undefined): boolean {
  if (previous === "assistant") return role === (before?.toolCalls ? "tool" : "user");
  if (previous === "tool") return role === "tool" || role === "assistant";
  return role === (previous === "user" ? "assistant" : "user");
}

function nextTurn(previous: Role, before: Message | undefined): string {
  if (previous === "assistant") return before?.toolCalls ? "a tool's" : "the user's";
  return previous === "system" ? "the user's" : "the assistant's";
}
