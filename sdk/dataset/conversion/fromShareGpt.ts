import { type Fields, quote } from "../formats/checkText.ts";
import type { ChatMessage, Converter } from "./Converter.ts";
import { RowError } from "./RowError.ts";

/** What a turn becomes, by its speaker. */
const SPEAKERS: Readonly<Record<string, "system" | "user" | "assistant" | "call" | "tool">> = {
  system: "system",
  human: "user",
  user: "user",
  gpt: "assistant",
  chatgpt: "assistant",
  assistant: "assistant",
  model: "assistant",
  bing: "assistant",
  bard: "assistant",
  function_call: "call",
  observation: "tool",
  function_response: "tool",
  tool: "tool",
};

/** Turns conversations of ShareGPT, `[{"from": "human", "value": "…"}, …]`, into messages. */
export const fromShareGpt: Converter = {
  reads: ["conversations", "messages", "system", "tools"],
  convert: (row) => {
    const turns = row.conversations ?? row.messages;
    if (!Array.isArray(turns) || turns.length === 0) {
      throw new RowError("conversations is not a list with at least one turn.");
    }
    const { system } = row;
    const tools = parseTools(row.tools);
    const opening =
      typeof system === "string" && system !== "" ? [{ role: "system", content: system }] : [];
    return { messages: [...opening, ...readTurns(turns)], ...(tools && { tools }) };
  },
};

function readTurns(turns: readonly unknown[]): ChatMessage[] {
  /** Ids of calls that no turn has answered yet. */
  const open: string[] = [];
  let calls = 0;
  return turns.map((turn, index) => {
    const place = `conversations[${index}]`;
    const { speaker, value } = readTurn(turn, place);
    switch (speaker) {
      case "call": {
        const tool_calls = parseCalls(value, place).map((call) => {
          calls += 1;
          open.push(`call_${calls}`);
          return { id: `call_${calls}`, type: "function", function: call };
        });
        return { role: "assistant", content: null, tool_calls };
      }
      case "tool": {
        const id = open.shift();
        return { role: "tool", ...(id !== undefined && { tool_call_id: id }), content: value };
      }
      default:
        return { role: speaker, content: value };
    }
  });
}

function readTurn(turn: unknown, place: string) {
  const fields = Object(turn) as Fields;
  const from = fields.from ?? fields.role;
  const value = fields.value ?? fields.content;
  const speaker = typeof from === "string" ? SPEAKERS[from.toLowerCase()] : undefined;
  if (!speaker) throw new RowError(`${place} has the speaker ${quote(from)}, which is not known.`);
  if (typeof value !== "string") throw new RowError(`${place} has no text under value.`);
  return { speaker, value };
}

/** One call or a list of them; arguments become a text, as in the format of OpenAI. */
function parseCalls(value: string, place: string) {
  const parsed = parse(value);
  const calls: unknown[] = Array.isArray(parsed) ? parsed : [parsed];
  return calls.map((call) => {
    const { name, arguments: given } = Object(call) as Fields;
    if (typeof name !== "string") {
      throw new RowError(
        `${place} is a function_call, but its value is not {"name", "arguments"}.`,
      );
    }
    return { name, arguments: typeof given === "string" ? given : JSON.stringify(given ?? {}) };
  });
}

/** The functions that may be called: a list, or a list as a JSON text. */
function parseTools(value: unknown): unknown[] | undefined {
  const tools = typeof value === "string" ? parse(value) : value;
  if (!Array.isArray(tools)) {
    if (value === undefined || value === null || value === "") return undefined;
    throw new RowError("tools is not a list of functions.");
  }
  const asTool = (tool: unknown) =>
    Object.hasOwn(Object(tool), "function") ? tool : { type: "function", function: tool };
  return tools.length === 0 ? undefined : tools.map(asTool);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
