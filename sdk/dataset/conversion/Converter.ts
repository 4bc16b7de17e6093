import type { Fields } from "../formats/checkText.ts";

/** Turns rows of another format into rows of a dataset. */
export interface Converter {
  /** Keys that it reads; others are left out. Undefined if it leaves rows as they are. */
  readonly reads: readonly string[] | undefined;
  /** @throws RowError if the row is not in the format. */
  readonly convert: (row: Fields) => Fields;
}

/** A message of a conversation in the format of OpenAI. */
export type ChatMessage = Readonly<Record<string, unknown>> & { readonly role: string };
