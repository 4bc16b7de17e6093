import type { DatasetRow } from "../formats/DatasetRow.ts";
import type { Problem } from "../formats/rules.ts";

/** A row as the model sees it. */
export interface PreviewRow {
  /** First line of the row, number of the row in a table or of the entry in an archive, from 1. */
  readonly line: number;
  /** Path of the entry in an archive. */
  readonly entry?: string;
  /** Undefined if the row cannot be read. */
  readonly format?: DatasetRow["format"];
  /** One text; the preferred and the rejected one of a pair; none for an image, and if the row cannot be read. */
  readonly texts: readonly PreviewText[];
  /** Of a text or an image to classify; of an answer with a label, true or false. */
  readonly label?: string;
  /** Of an image: its size in pixels, and that of its file. */
  readonly image?: { readonly width: number; readonly height: number; readonly bytes: number };
  /** Rules that the row breaks, in the words of checkDataset, which also knows those of the dataset as a whole. */
  readonly problems: readonly Problem[];
}

/** A text of a row. */
export interface PreviewText {
  /** Which answer of a pair the text has. */
  readonly answer?: "preferred" | "rejected";
  /** What the model sees, then what is cut. */
  readonly tokens: readonly PreviewToken[];
}

/** A token of a text. */
export interface PreviewToken {
  /**
   * The characters that end with the token: a character of several tokens is the text of the last one, and the others
   * have none. U+FFFD stands for bytes that are no character.
   */
  readonly text: string;
  /** Absent if the vocabulary does not have the token. */
  readonly id?: number;
  /** Whether it counts in the loss. */
  readonly learned: boolean;
  /** Whether it has a meaning of its own, such as the end of a turn. */
  readonly special: boolean;
  /** Whether the model does not see it, because the row is too long. */
  readonly cut: boolean;
}
