import type { Message } from "../formats/DatasetRow.ts";
import type { RenderChat } from "./renderChat.ts";

/** A rendered conversation and its turns that can be learned. */
export interface Conversation {
  readonly rendered: string;
  /** Begin and end of the assistant's turns, including their end markers, in order; not empty. */
  readonly turns: readonly (readonly [begin: number, end: number])[];
  /** Number of the assistant's turns that cannot be located because the template rewrites them. */
  readonly hidden: number;
  /** Whether the template changes or leaves out part of an answer in `turns`. */
  readonly altered: boolean;
}

/** Two answers without a common prefix: any other answer differs from one of them at its start. */
const PROBES = ["A", "B"];

/**
 * Renders a conversation and locates the assistant's turns, as the trainer does.
 * @param given Number of turns at the start that are never learned, whatever their role.
 * @throws Error if the template refuses the messages, or rewrites them so that not even the assistant's last turn can
 * be located.
 */
export function readConversation(
  render: RenderChat,
  messages: readonly Message[],
  given = 0,
): Conversation {
  const rendered = render(messages);
  const speaking = messages.flatMap(({ role }, number) =>
    role === "assistant" && number >= given ? [number] : [],
  );
  const found = speaking.map((number) => ({
    number,
    turn: locate(render, messages, number, rendered),
  }));
  if (!found.at(-1)?.turn) {
    const last = `the assistant's message ${speaking.at(-1)! + 1}`;
    throw new Error(`it rewrites earlier turns, so ${last} cannot be located`);
  }
  const located = found.flatMap(({ number, turn }) => (turn ? [{ number, turn }] : []));
  return {
    rendered,
    turns: located.map(({ turn }) => turn),
    hidden: found.length - located.length,
    altered: located.some(
      ({ number, turn }) => !rendered.slice(...turn).includes(messages[number]!.content.trim()),
    ),
  };
}

/**
 * Begin and end of one turn, undefined if the text cannot be cut there: the text up to the turn and the text up to its
 * end must both be prefixes of the whole. The turn begins where it differs from a generation prompt; if that prompt
 * contains more than the turn's opening, as with reasoning models, the turn begins no later than the answer itself.
 */
function locate(
  render: RenderChat,
  messages: readonly Message[],
  number: number,
  rendered: string,
): [number, number] | undefined {
  const earlier = messages.slice(0, number);
  const before = number > 0 ? render(earlier) : "";
  const until = render(messages.slice(0, number + 1));
  const others = PROBES.map((content) => render([...earlier, { role: "assistant", content }]));
  if (number > 0) others.push(render(earlier, { ask: true }));
  const isCut = [until, ...others].every((text) => text.startsWith(before));
  if (!isCut || !rendered.startsWith(until)) return undefined;
  const begin = Math.min(...others.map((other) => departure(other, until, before.length)));
  return [begin, until.length];
}

/** The index of the first character at or after `from` at which two texts differ. */
function departure(first: string, second: string, from: number): number {
  let place = from;
  while (place < first.length && place < second.length && first[place] === second[place]) place++;
  return place;
}
