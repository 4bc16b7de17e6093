import { ProtocolError } from "../../sdk/errors.ts";

/** Short flags of Together's command line that have two letters, which parsers take for two flags. */
const TWO_LETTERS: Readonly<Record<string, string>> = {
  "-ne": "--n-epochs",
  "-lr": "--learning-rate",
};

/** The error for such a flag among the words of a command line, if there is one. */
export function twoLetterFlag(words: readonly string[]): ProtocolError | undefined {
  const typed = words.find((word) => word in TWO_LETTERS);
  if (!words.includes("fine-tuning") || typed === undefined) return undefined;
  return new ProtocolError(
    "usage",
    `Unknown flag ${typed}: short flags have one letter.`,
    `Use ${TWO_LETTERS[typed]}.`,
  );
}
