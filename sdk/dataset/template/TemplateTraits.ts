import type { Message, ToolCall } from "../formats/DatasetRow.ts";
import { writeJson } from "../jinja/json.ts";
import type { Value } from "../jinja/values.ts";
import type { RenderChat } from "./createChatTemplate.ts";

/** How a template takes what not every template knows; found out by rendering, never from its source. */
export interface TemplateTraits {
  /** Whether it writes the definitions of tools. */
  readonly knowsTools: boolean;
  /** How it takes calls of tools and their answers; undefined if it leaves them out. */
  readonly calls: CallStyle | undefined;
  /** Whether it writes messages of a developer. */
  readonly knowsDeveloper: boolean;
  /** The key under which it looks for the assistant's reasoning; undefined if it leaves reasoning out. */
  readonly reasoningKey: string | undefined;
  /** Whether it writes the names of people. */
  readonly knowsNames: boolean;
}

interface CallStyle {
  /** Whether a message with calls and no content has the content null, else an empty text. */
  readonly nullContent: boolean;
  /** Whether arguments are an object, else JSON. */
  readonly objectArguments: boolean;
  /** Whether it takes ids only if they have nine digits or letters, as Mistral's do. */
  readonly shortIds: boolean;
}

/** Words that no template writes by itself. */
const [WORD, VALUE, RESULT] = ["kqzv", "zqvk", "wvzq"];

const USER: Value = dict({ role: "user", content: "Q" });
const ANSWER: Value = dict({ role: "assistant", content: "A" });

const TOOL: Value = dict({
  type: "function",
  function: dict({
    name: WORD,
    description: "D",
    parameters: dict({
      type: "object",
      properties: dict({ p: dict({ type: "string", description: "P" }) }),
      required: ["p"],
    }),
  }),
});

const STYLES: readonly CallStyle[] = [true, false].flatMap((objectArguments) =>
  [false, true].flatMap((shortIds) =>
    [true, false].map((nullContent) => ({ nullContent, objectArguments, shortIds })),
  ),
);

export function dict(fields: Readonly<Record<string, Value>>): ReadonlyMap<Value, Value> {
  return new Map(Object.entries(fields));
}

/** Finds out how a template takes what not every template knows. */
export function readTraits(render: RenderChat): TemplateTraits {
  const written = (messages: readonly Value[], tools: Value = null): string => {
    try {
      return render(messages, { tools }).text;
    } catch {
      return "";
    }
  };
  const answer = (fields: Readonly<Record<string, Value>>) =>
    written([USER, dict({ role: "assistant", content: "A", ...fields })]);
  return {
    knowsTools: written([USER, ANSWER], [TOOL]).includes(WORD),
    calls: STYLES.find((style) => takesCalls(style, written)),
    knowsDeveloper: written([dict({ role: "developer", content: WORD }), USER, ANSWER]).includes(
      WORD,
    ),
    reasoningKey: ["reasoning_content", "reasoning", "thinking"].find((key) =>
      answer({ [key]: WORD }).includes(WORD),
    ),
    knowsNames: written([dict({ role: "user", name: WORD, content: "Q" }), ANSWER]).includes(WORD),
  };
}

/** Whether name, argument and result of a call are in the text, and no sign that a value has the wrong type. */
function takesCalls(
  style: CallStyle,
  written: (messages: readonly Value[], tools: Value) => string,
): boolean {
  const call: Message = {
    role: "assistant",
    content: null,
    toolCalls: [{ id: "call_1", name: WORD, arguments: new Map([["p", VALUE]]) }],
  };
  const result: Message = { role: "tool", content: RESULT, name: WORD, toolCallId: "call_1" };
  const messages: Value[] = [USER, ...toTemplate([call, result], { calls: style }), ANSWER];
  const text = written(messages, [TOOL]);
  const wrong = [`{'p': '${VALUE}'}`, `\\"${VALUE}\\"`];
  const nones = (each: string) => each.split("None").length;
  return (
    [WORD, VALUE, RESULT].every((word) => text.includes(word)) &&
    !wrong.some((sign) => text.includes(sign)) &&
    nones(text) <= nones(written([USER, ANSWER], [TOOL]))
  );
}

/** Messages as a template with these traits takes them. */
export function toTemplate(
  messages: readonly Message[],
  traits: Partial<TemplateTraits>,
): ReadonlyMap<Value, Value>[] {
  const ids = traits.calls?.shortIds ? numberCalls(messages) : undefined;
  return messages.map((message, index) => {
    const isSystem = message.role === "developer" && !traits.knowsDeveloper;
    const callId = ids ? ids.get(String(index)) : message.toolCallId;
    return dict({
      role: isSystem ? "system" : message.role,
      content: message.content ?? (traits.calls?.nullContent ? null : ""),
      ...optional("name", message.name),
      ...optional(traits.reasoningKey ?? "reasoning_content", message.reasoning || undefined),
      ...optional(
        "tool_calls",
        callItems(message.toolCalls, traits, (number, id) =>
          ids ? ids.get(`${index} ${number}`) : id,
        ),
      ),
      ...optional("tool_call_id", callId),
    });
  });
}

function callItems(
  calls: readonly ToolCall[] | undefined,
  traits: Partial<TemplateTraits>,
  idOf: (number: number, id: string | undefined) => string | undefined,
): Value | undefined {
  return calls?.map((call, number) =>
    dict({
      ...optional("id", idOf(number, call.id)),
      type: "function",
      function: dict({ name: call.name, arguments: argumentsOf(call, traits) }),
    }),
  );
}

function optional(key: string, value: Value | undefined): Record<string, Value> {
  return value === undefined ? {} : { [key]: value };
}

function argumentsOf(call: ToolCall, { calls }: Partial<TemplateTraits>): Value {
  if (calls?.objectArguments ?? true) return call.arguments;
  return call.argumentsText ?? writeJson(call.arguments);
}

/**
 * Nine digits for each call, by "message call", and for each answer of a tool, by "message": that of the call it names,
 * or else of the first call that no answer has named.
 */
function numberCalls(messages: readonly Message[]): ReadonlyMap<string, string> {
  const numbers = new Map<string, string>();
  const byId = new Map<string, string>();
  let open: string[] = [];
  let count = 0;
  for (const [index, { role, toolCalls = [], toolCallId }] of messages.entries()) {
    for (const [number, { id }] of toolCalls.entries()) {
      const short = String(count++).padStart(9, "0");
      numbers.set(`${index} ${number}`, short);
      if (id !== undefined) byId.set(id, short);
      open.push(short);
    }
    if (role !== "tool") continue;
    const short = (toolCallId === undefined ? undefined : byId.get(toolCallId)) ?? open[0];
    open = open.filter((each) => each !== short);
    if (short !== undefined) numbers.set(String(index), short);
  }
  return numbers;
}
