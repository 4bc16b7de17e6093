import { type Json, readJson } from "../jinja/json.ts";
import { Float } from "../jinja/values.ts";
import type { Fields } from "./checkText.ts";
import type { Message, ToolCall } from "./DatasetRow.ts";
import type { Finding } from "./Finding.ts";
import type { RuleId } from "./rules.ts";

type Report = (rule: RuleId, message: string) => void;

/** Keys under which a row has JSON for a chat template, to be read exactly: with the order of keys, and 1.0 unlike 1. */
const EXACT = ["tools", "functions", "arguments"];
const HAS_EXACT = /"(?:tools|functions|tool_calls|function_call)"/;

/**
 * The value of a line of JSON. Tools and arguments of calls in it are a Json, the rest are plain values.
 * @param value What JSON.parse returns for the text.
 */
export function readLine(text: string, value: unknown): unknown {
  return HAS_EXACT.test(text) ? toPlain(readJson(text)) : value;
}

function toPlain(value: Json): unknown {
  if (value instanceof Float) return value.value;
  if (Array.isArray(value)) return value.map(toPlain);
  if (!(value instanceof Map)) return value;
  return Object.fromEntries(
    [...value].map(([key, each]) => [key, EXACT.includes(key) ? each : toPlain(each)]),
  );
}

/** Parses the tools of a row, or its functions, as the same were called before; undefined if it has none. */
export function parseTools(
  fields: Fields,
  findings: Finding[],
  prefix = "",
): readonly Json[] | undefined {
  const { tools: given = null, functions = null } = fields;
  if (given !== null && functions !== null) {
    findings.push({ rule: "bad-tools", message: `${prefix}tools and functions are both given.` });
    return undefined;
  }
  const key = functions === null ? `${prefix}tools` : `${prefix}functions`;
  const list = functions ?? given;
  if (list === null) return undefined;
  if (!Array.isArray(list)) {
    findings.push({ rule: "bad-tools", message: `${key} is not a list.` });
    return undefined;
  }
  const tools = list.map((tool: Json) => (functions === null ? tool : wrap(tool)));
  for (const [index, tool] of tools.entries()) {
    if (!isTool(tool)) {
      const form =
        functions === null ? `{"type": "function", "function": {"name": …}}` : `{"name": …}`;
      const message = `${key}[${index}] is not an object of the form ${form}.`;
      findings.push({ rule: "bad-tools", message });
    } else if (hasHalfCharacter(tool)) {
      const message = `${key}[${index}] contains half of a surrogate pair.`;
      findings.push({ rule: "half-character", message });
    }
  }
  return tools.length > 0 ? tools : undefined;
}

function wrap(definition: Json): Json {
  return new Map<string, Json>([
    ["type", "function"],
    ["function", definition],
  ]);
}

function isTool(tool: Json): boolean {
  if (!(tool instanceof Map) || tool.get("type") !== "function") return false;
  const definition = tool.get("function");
  if (!(definition instanceof Map)) return false;
  const name = definition.get("name");
  return typeof name === "string" && name !== "";
}

/** Whether a text anywhere in the value is cut within a character. */
function hasHalfCharacter(value: Json): boolean {
  if (typeof value === "string") return !value.isWellFormed();
  if (Array.isArray(value)) return value.some(hasHalfCharacter);
  if (!(value instanceof Map)) return false;
  return [...value].some(([key, each]) => !key.isWellFormed() || hasHalfCharacter(each));
}

/** Parses the calls of a message of the assistant: tool_calls, or function_call, as one was called before. */
export function parseToolCalls(fields: Fields, place: string, report: Report): ToolCall[] {
  const { tool_calls: calls, function_call: single } = fields;
  if (calls !== undefined && single !== undefined) {
    report("bad-tool-call", `${place} has both tool_calls and function_call.`);
    return [];
  }
  if (single !== undefined) return [parseCall(single, `${place}.function_call`, report)];
  if (calls === undefined) return [];
  if (!Array.isArray(calls)) {
    report("bad-tool-call", `${place}.tool_calls is not a list.`);
    return [];
  }
  return calls.map((call, index) => {
    const name = `${place}.tool_calls[${index}]`;
    const { id, type = "function", function: called, ...rest } = Object(call) as Fields;
    const isForm = type === "function" && isObject(called) && Object.keys(rest).length === 0;
    if (!isObject(call) || !isForm) {
      const form = `{"id": …, "type": "function", "function": {"name": …, "arguments": …}}`;
      report("bad-tool-call", `${name} is not an object of the form ${form}.`);
      return { name: "", arguments: new Map() };
    }
    const parsed = parseCall(called, `${name}.function`, report);
    if (id === undefined || id === null) return parsed;
    if (typeof id === "string" && id !== "" && id.isWellFormed()) return { id, ...parsed };
    report("bad-tool-call", `${name}.id is not a text.`);
    return parsed;
  });
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseCall(value: unknown, place: string, report: Report): ToolCall {
  const { name, arguments: given, ...rest } = Object(value) as Fields;
  if (typeof name !== "string" || name === "" || !name.isWellFormed()) {
    report("bad-tool-call", `${place} has no name.`);
    return { name: "", arguments: new Map() };
  }
  const [other] = Object.keys(rest);
  if (other !== undefined) {
    report("bad-tool-call", `${place} has keys other than name and arguments.`);
  }
  const isText = typeof given === "string";
  const parsed = isText ? parseArguments(given) : (given as Json);
  if (!(parsed instanceof Map)) {
    report("bad-tool-call", `${place}.arguments is not a JSON object.`);
    return { name, arguments: new Map() };
  }
  if (hasHalfCharacter(parsed)) {
    report("half-character", `${place}.arguments contains half of a surrogate pair.`);
  }
  return { name, arguments: parsed, ...(isText && { argumentsText: given }) };
}

function parseArguments(text: string): Json {
  try {
    JSON.parse(text);
    return readJson(text);
  } catch {
    return null;
  }
}

/** Checks that every message of a tool answers a call before it, if it names one. */
export function checkCallIds(messages: readonly Message[], key: string, findings: Finding[]): void {
  const known = new Set<string>();
  for (const [index, { toolCalls = [], toolCallId }] of messages.entries()) {
    for (const { id } of toolCalls) if (id !== undefined) known.add(id);
    if (toolCallId !== undefined && !known.has(toolCallId)) {
      const message = `${key}[${index}].tool_call_id is the id of no call before it.`;
      findings.push({ rule: "bad-tool-call", message });
    }
  }
}
