import type { Fields } from "../formats/checkText.ts";
import type { ChatMessage, Converter } from "./Converter.ts";
import { RowError } from "./RowError.ts";

/**
 * Turns rows with an instruction and an output into conversations, with `input` on the lines after the instruction,
 * `system` as the system message, and the pairs of `history` as earlier turns.
 */
export const fromAlpaca: Converter = {
  reads: ["instruction", "input", "output", "system", "history"],
  convert: (row) => {
    const system = text(row, "system", "");
    const asked = [text(row, "instruction"), text(row, "input", "")].filter((each) => each !== "");
    return {
      messages: [
        ...(system === "" ? [] : [{ role: "system", content: system }]),
        ...history(row.history),
        { role: "user", content: asked.join("\n") },
        { role: "assistant", content: text(row, "output") },
      ],
    };
  },
};

/** The text under a key; `absent` if there is none. */
function text(row: Fields, key: string, absent?: string): string {
  const value = row[key] ?? absent;
  if (typeof value === "string") return value;
  throw new RowError(value === undefined ? `The row has no ${key}.` : `${key} is not a text.`);
}

function history(pairs: unknown): ChatMessage[] {
  if (pairs === undefined || pairs === null || pairs === "") return [];
  const isPair = (pair: unknown) =>
    Array.isArray(pair) && pair.length === 2 && pair.every((each) => typeof each === "string");
  if (!Array.isArray(pairs) || !pairs.every(isPair)) {
    throw new RowError("history is not a list of pairs of texts.");
  }
  return pairs.flatMap(([asked, answered]) => [
    { role: "user", content: asked },
    { role: "assistant", content: answered },
  ]);
}
