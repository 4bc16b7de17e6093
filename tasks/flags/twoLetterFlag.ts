import { ProtocolError } from "../../sdk/errors.ts";

/** Together's short flags with two letters, which parsers read as two flags. */
const TWO_LETTERS: Readonly<Record<string, string>> = {
  "-ne": "--n-epochs",
  "-lr": "--learning-rate",
};

/** The error for the first such flag in a command line; undefined if there is none. */
export function twoLetterFlag(words: readonly string[]): ProtocolError | undefined {
  const typed = words.find((word) => word in TWO_LETTERS);
  if (!words.includes("fine-tuning") || typed === undefined) return undefined;
  return new ProtocolError(
    "usage",
    `Unknown flag ${typed}: short flags have one letter.`,
    `Use ${TWO_LETTERS[typed]}.`,
  );
}
