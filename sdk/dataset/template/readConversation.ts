import type { Message, Role } from "../formats/DatasetRow.ts";
import type { Json } from "../jinja/json.ts";
import { strip } from "../jinja/strip.ts";
import { Float, type Value } from "../jinja/values.ts";
import type { RenderChat } from "./createChatTemplate.ts";
import { dict, readTraits, type TemplateTraits, toTemplate } from "./TemplateTraits.ts";

/** A rendered conversation and its turns that can be learned. */
export interface Conversation {
  readonly text: string;
  /** The assistant's turns with their end markers, in order. */
  readonly turns: readonly Turn[];
  /** Number of the assistant's turns that count but cannot be located, because the template rewrites them. */
  readonly hidden: number;
  /** Why not even the assistant's last turn can be located; `turns` is then empty. */
  readonly unlocated?: string;
  /** Where the text is cut before it becomes tokens, so that control tokens that people wrote stay text. */
  readonly cuts: readonly number[];
  /** Whether messages have names that the template leaves out. */
  readonly dropsNames: boolean;
}

/** A turn of the assistant in a text, in UTF-16 units. */
export interface Turn {
  /** Number of its message, from 0. */
  readonly number: number;
  readonly begin: number;
  readonly end: number;
}

export interface ConversationOptions {
  readonly tools?: readonly Json[] | undefined;
  /** Number of messages at the start that are never learned, whatever their role. */
  readonly given?: number;
}

/**
 * Renders a conversation and locates the assistant's turns, as the trainer does.
 * @throws Error if the template refuses the messages, or leaves out part of what is to be learned.
 */
export type ReadConversation = (
  messages: readonly Message[],
  options?: ConversationOptions,
) => Conversation;

/** Tokens of a model with a meaning of their own. */
export interface SpecialTokens {
  /** Ends a text; a template may write it after the last message. */
  readonly end: string | undefined;
  /** All of them. */
  readonly control: readonly string[];
}

/** Up to this number of messages, a turn is located after all messages before it, beyond only after the last ones. */
const EXACT_MESSAGES = 32;

/** Stands for an answer that a template would change. */
const PLACEHOLDER = "kqzvzqvkwvzq";

type Item = ReadonlyMap<Value, Value>;

/** What precedes an answer when the model is asked, and in every turn. */
interface Opening {
  readonly asked: string | undefined;
  readonly common: string;
}

/**
 * Creates a reader of conversations for a chat template. A template may trim, rewrite or drop what it is given, and
 * templates differ in how they do so. So nothing is guessed from their text: a turn is what the template appends when
 * its message is added, if the whole conversation has it in its place. It begins where it differs from a generation
 * prompt and from other answers.
 */
export function createConversationReader(
  render: RenderChat,
  { end, control }: SpecialTokens,
): ReadConversation {
  const traits = readTraits(render);
  const tail = findTail(render, end);
  const openings = new Map<string, Opening>();
  const readAs = (messages: readonly Message[], { tools, given = 0 }: ConversationOptions) => {
    requireKnown(messages, tools, traits);
    const items = toTemplate(messages, traits);
    const write = (list: readonly Item[], ask = false) =>
      render(list, { ask, tools: tools ?? null });
    const openingOf = (before: Item | undefined): Opening => {
      const role = (before?.get("role") ?? "nobody") as Role | "nobody";
      const key = `${role} ${tools !== undefined}`;
      const known = openings.get(key);
      if (known) return known;
      const opening = findOpening(render, precedingItems(traits, role), tools ? TOOLS : null, tail);
      openings.set(key, opening);
      return opening;
    };
    return learnable({ messages, items, write, openingOf, tail, control }, given);
  };
  return (messages, options = {}) => {
    const read = readAs(messages, options);
    const dropsNames = !traits.knowsNames && hasNames(messages);
    const neutral = neutralize(messages, options.tools, control);
    if (!neutral) return { ...read, cuts: [], dropsNames };
    const { text } = readAs(neutral.messages, { ...options, tools: neutral.tools });
    return { ...read, cuts: findCuts(read.text, text), dropsNames };
  };
}

interface Context {
  readonly messages: readonly Message[];
  readonly items: readonly Item[];
  readonly write: (items: readonly Item[], ask?: boolean) => ReturnType<RenderChat>;
  readonly openingOf: (before: Item | undefined) => Opening;
  readonly tail: string;
  readonly control: readonly string[];
}

/** The name of a tool's answer is that of its call, which the template writes. */
function hasNames(messages: readonly Message[]): boolean {
  return messages.some(({ role, name }) => role !== "tool" && name !== undefined);
}

function requireKnown(
  messages: readonly Message[],
  tools: readonly Json[] | undefined,
  traits: TemplateTraits,
): void {
  if (tools && !traits.knowsTools) throw new Error("it has no place for tools");
  const calls = messages.some(({ role, toolCalls }) => role === "tool" || toolCalls);
  if (calls && !traits.calls) throw new Error("it has no place for calls of tools");
}

type Located = Omit<Conversation, "cuts" | "dropsNames">;

/** The turns that count, each with all of its answer. */
function learnable(context: Context, given: number): Located {
  const { messages, items } = context;
  const { text, generated } = context.write(items);
  const counting = messages.flatMap(({ role, weight }, number) =>
    role === "assistant" && number >= given && weight !== 0 ? [number] : [],
  );
  const speaking = numbersOf(messages);
  const isMarked = generated.length === speaking.length;
  const located = isMarked
    ? generated.map(([begin, end], index) => ({ number: speaking[index]!, begin, end }))
    : locate(context, text, speaking);
  const turns = located.filter(
    ({ number, begin, end }) =>
      counting.includes(number) && isWhole(messages[number]!, text.slice(begin, end)),
  );
  const last = counting.at(-1)!;
  if (turns.at(-1)?.number === last) return { text, turns, hidden: counting.length - turns.length };
  const isLocated = located.some(({ number }) => number === last);
  if (!isLocated && isWhole(messages[last]!, text)) {
    const unlocated = `it rewrites earlier turns, so the assistant's message ${last + 1} cannot be located`;
    return { text, turns: [], hidden: counting.length, unlocated };
  }
  const restored = restore(context, last);
  if (!restored) throw new Error(`it leaves out part of the assistant's message ${last + 1}`);
  const all = [...turns.filter(({ end }) => end <= restored.turn.begin), restored.turn];
  return { text: restored.text, turns: all, hidden: counting.length - all.length };
}

function numbersOf(messages: readonly Message[]): number[] {
  return messages.flatMap(({ role }, number) => (role === "assistant" ? [number] : []));
}

/** Whether a turn has all that its message says. */
function isWhole({ content, reasoning, toolCalls = [] }: Message, turn: string): boolean {
  const parts = [
    ...(content ?? "").split(/<\/?think>/),
    reasoning ?? "",
    ...toolCalls.map(({ name }) => name),
  ];
  return parts.every((part) => turn.includes(strip(part)));
}

// -- Positions -------------------------------------------------------------------------------------------------------

/** What the template writes between the assistant's turn before and this one, and for this one. */
interface Appended {
  /** Undefined if the template rewrites the turn before. */
  readonly between: string | undefined;
  readonly turn: string;
  /** Length of the end of the turn before that the template then leaves out: an end marker before a tool's answer. */
  readonly dropped: number;
}

/**
 * The turns of the messages `speaking`, from the start of the text as far as it is what the template appends message by
 * message, and from its end.
 */
function locate(context: Context, text: string, speaking: readonly number[]): Turn[] {
  const { messages, tail } = context;
  const appended = appendAll(context, text, speaking);
  const turns: Turn[] = [];
  let begin = 0;
  let next = 0;
  for (; next < speaking.length; next++) {
    const found = appended[next];
    if (found?.between === undefined) break;
    if (!text.startsWith(found.between + found.turn, begin)) break;
    turns.push(turnOf(context, speaking[next]!, begin + found.between.length, found.turn));
    begin += found.between.length + found.turn.length;
  }
  const later: Turn[] = [];
  let end = text.endsWith(tail) ? text.length - tail.length : text.length;
  const isLast = speaking.at(-1) === messages.length - 1;
  for (let index = speaking.length - 1; isLast && index >= next; index--) {
    const found = appended[index];
    if (!found || !text.slice(begin, end).endsWith(found.turn)) break;
    later.unshift(turnOf(context, speaking[index]!, end - found.turn.length, found.turn));
    end -= found.turn.length;
    if (found.between === undefined || !text.slice(begin, end).endsWith(found.between)) break;
    end -= found.between.length;
  }
  return withTail([...turns, ...later], text, tail);
}

/** What is appended for each turn, without what the template leaves out of it when the next one follows. */
function appendAll(
  context: Context,
  text: string,
  speaking: readonly number[],
): (Appended | undefined)[] {
  const write = prefixWriter(context, text);
  const all = speaking.map((_, index) => append(context, write, speaking, index));
  return all.map((found, index) => {
    if (!found) return undefined;
    const before = all[index - 1];
    const isRewritten =
      found.dropped > 0 &&
      !(before && isWhole(context.messages[speaking[index - 1]!]!, keptOf(before, found)));
    const turn = keptOf(found, all[index + 1]);
    // A turn that is not whole without its end is rewritten by the next one, which says so itself.
    const kept = isWhole(context.messages[speaking[index]!]!, turn) ? turn : found.turn;
    return { ...found, turn: kept, ...(isRewritten && { between: undefined }) };
  });
}

function keptOf({ turn }: Appended, next: Appended | undefined): string {
  return turn.slice(0, Math.max(0, turn.length - (next?.dropped ?? 0)));
}

/** The end of the text belongs to the last turn, if nothing else is between them. */
function withTail(turns: readonly Turn[], text: string, tail: string): Turn[] {
  return turns.map((turn) =>
    tail !== "" && turn.end + tail.length === text.length ? { ...turn, end: text.length } : turn,
  );
}

function turnOf({ items, openingOf }: Context, number: number, at: number, turn: string): Turn {
  const { asked, common } = openingOf(items[number - 1]);
  const opened =
    asked !== undefined && turn.startsWith(asked) ? asked.length : sharedLength(turn, common);
  return { number, begin: at + opened, end: at + turn.length };
}

/** Writes the messages from the start up to a number, or the window before `previous` and those from it on. */
type WriteUpTo = (number: number, previous: number) => string;

function prefixWriter({ messages, items, write, tail }: Context, text: string): WriteUpTo {
  const prefixes = new Map([
    [0, ""],
    [items.length, withoutTail(text, tail)],
  ]);
  const head = messages.findIndex(({ role }) => role !== "system" && role !== "developer");
  const questions = lastQuestions(messages);
  return (number, previous) => {
    if (previous > EXACT_MESSAGES) {
      const question = questions[previous]!;
      const asked = question < 0 ? [] : [items[question]!];
      const list = [...items.slice(0, head), ...asked, ...items.slice(previous, number)];
      return withoutTail(write(list).text, tail);
    }
    const prefix = prefixes.get(number) ?? withoutTail(write(items.slice(0, number)).text, tail);
    prefixes.set(number, prefix);
    return prefix;
  };
}

/** For each message, the number of the user's last message before it, or -1. */
function lastQuestions(messages: readonly Message[]): readonly number[] {
  let last = -1;
  return messages.map(({ role }, number) => {
    const before = last;
    if (role === "user") last = number;
    return before;
  });
}

function append(
  { control }: Context,
  write: WriteUpTo,
  speaking: readonly number[],
  index: number,
): Appended | undefined {
  const number = speaking[index]!;
  const previous = speaking[index - 1] ?? -1;
  try {
    const spoken = previous < 0 ? "" : write(previous + 1, previous);
    const asked = write(number, previous);
    const said = write(number + 1, previous);
    if (!said.startsWith(asked)) return undefined;
    const kept = asked.startsWith(spoken) ? spoken.length : keptLength(spoken, asked, control);
    const dropped = spoken.length - kept;
    return { between: asked.slice(kept), turn: said.slice(asked.length), dropped };
  } catch {
    return undefined;
  }
}

/** The length of the common start of two texts that ends within no control token of the first. */
function keptLength(spoken: string, asked: string, control: readonly string[]): number {
  const shared = sharedLength(spoken, asked);
  const starts = control.flatMap((token) => {
    const start = spoken.lastIndexOf(token, shared - 1);
    return start >= 0 && start + token.length > shared ? [start] : [];
  });
  return Math.min(shared, ...starts);
}

function withoutTail(text: string, tail: string): string {
  return tail !== "" && text.endsWith(tail) ? text.slice(0, -tail.length) : text;
}

function sharedLength(one: string, other: string): number {
  let length = 0;
  while (length < one.length && length < other.length && one[length] === other[length]) length++;
  return length;
}

// -- What a template writes around answers ----------------------------------------------------------------------------

const USER: Item = dict({ role: "user", content: "Q" });
const answer = (content: string): Item => dict({ role: "assistant", content });
const CALL: Message = {
  role: "assistant",
  content: null,
  toolCalls: [{ id: "call_1", name: "f", arguments: new Map() }],
};
const RESULT: Message = { role: "tool", content: "R", name: "f", toolCallId: "call_1" };
const TOOLS: Value = [
  dict({
    type: "function",
    function: dict({
      name: "f",
      description: "D",
      parameters: dict({ type: "object", properties: dict({}) }),
    }),
  }),
];

/** The end of a text, after the last message: empty, or the end token. */
function findTail(render: RenderChat, end: string | undefined): string {
  if (end === undefined) return "";
  try {
    const [asked, said] = [render([USER]).text, render([USER, answer("A")]).text];
    const isTail = !said.startsWith(asked) && asked.endsWith(end) && said.endsWith(end);
    return isTail && said.startsWith(asked.slice(0, -end.length)) ? end : "";
  } catch {
    return "";
  }
}

/** What a template writes between messages and an answer to them, whatever the answer is. */
function findOpening(
  render: RenderChat,
  before: readonly Item[],
  tools: Value,
  tail: string,
): Opening {
  const after = (items: readonly Item[], ask = false): string | undefined => {
    try {
      const start = before.length === 0 ? "" : withoutTail(render(before, { tools }).text, tail);
      const { text } = render([...before, ...items], { tools, ask });
      return text.startsWith(start) ? text.slice(start.length) : undefined;
    } catch {
      return undefined;
    }
  };
  const asked = before.length === 0 ? undefined : after([], true);
  const answers = [after([answer("A")]), after([answer("B")])];
  const [first = "", ...rest] = [asked, ...answers].filter((each) => each !== undefined);
  const common = rest.reduce((text, other) => text.slice(0, sharedLength(text, other)), first);
  return { asked, common };
}

/** Messages that end with one of this role. */
function precedingItems(traits: TemplateTraits, role: Role | "nobody"): readonly Item[] {
  switch (role) {
    case "nobody":
      return [];
    case "user":
      return [USER];
    case "assistant":
      return [USER, answer("P")];
    case "tool":
      return [USER, ...toTemplate([CALL, RESULT], traits)];
    default:
      return [dict({ role, content: "S" })];
  }
}

// -- What a template leaves out ---------------------------------------------------------------------------------------

/**
 * The last message as its row has it, in the place of what the template would write: templates of reasoning models drop
 * the reasoning of answers, but it is what the model has to learn. Undefined if there is no such place.
 */
function restore(context: Context, number: number): { text: string; turn: Turn } | undefined {
  const { messages, items, write, openingOf, tail } = context;
  const { content, reasoning, toolCalls } = messages[number]!;
  if (toolCalls || number !== items.length - 1) return undefined;
  if (reasoning && !openingOf(items[number - 1]).asked?.includes("<think>")) return undefined;
  const before = number === 0 ? "" : withoutTail(write(items.slice(0, number)).text, tail);
  const { text } = write([...items.slice(0, number), answer(PLACEHOLDER)]);
  if (!text.startsWith(before) || text.split(PLACEHOLDER).length !== 2) return undefined;
  const thought = reasoning ? `<think>\n${reasoning}\n</think>\n\n` : "";
  const whole = text.replace(PLACEHOLDER, () => thought + content);
  const end = withoutTail(whole, tail).length;
  const [turn] = withTail(
    [turnOf(context, number, before.length, whole.slice(before.length, end))],
    whole,
    tail,
  );
  return { text: whole, turn: turn! };
}

// -- Control tokens that people wrote ---------------------------------------------------------------------------------

/** Of private use: stands for the first character of a control token, as long as it. */
const NEUTRAL = ["\ue000", "\u{f0000}"];

/** The conversation with its control tokens made text; undefined if nobody wrote any. */
function neutralize(
  messages: readonly Message[],
  tools: readonly Json[] | undefined,
  control: readonly string[],
): { messages: readonly Message[]; tools: readonly Json[] | undefined } | undefined {
  let found = false;
  const change = (value: unknown): unknown => {
    if (typeof value === "string") {
      const changed = control.reduce(neutralizeToken, value);
      found ||= changed !== value;
      return changed;
    }
    if (Array.isArray(value)) return value.map(change);
    if (value instanceof Map) {
      return new Map([...value].map(([key, each]) => [change(key), change(each)]));
    }
    if (typeof value !== "object" || value === null || value instanceof Float) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, change(each)]));
  };
  const changed = { messages: change(messages), tools: change(tools) };
  return found ? (changed as ReturnType<typeof neutralize>) : undefined;
}

function neutralizeToken(text: string, token: string): string {
  if (!text.includes(token)) return text;
  const first = String.fromCodePoint(token.codePointAt(0)!);
  return text.replaceAll(token, NEUTRAL[first.length - 1]! + token.slice(first.length));
}

/** The ends of the first characters of all control tokens that people wrote. */
function findCuts(text: string, neutral: string): number[] {
  const cuts: number[] = [];
  let isSame = text.length === neutral.length;
  for (let place = 0; isSame && place < text.length; place++) {
    if (text[place] === neutral[place]) continue;
    const length = NEUTRAL.findIndex((each) => neutral.startsWith(each, place)) + 1;
    isSame = length > 0;
    cuts.push(place + length);
    place += length - 1;
  }
  if (!isSame) throw new Error("it changes what people wrote, and they wrote control tokens");
  return cuts;
}
