/** The kind of model that a dataset is for; it follows from the model's architecture, not from the file. */
export type DatasetKind = "causal-lm" | "text-classification" | "image-classification";

export const DATASET_KINDS = [
  "causal-lm",
  "text-classification",
  "image-classification",
] as const satisfies readonly DatasetKind[];

/** One message of a conversation. */
export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** A prompt or an answer: a text, or messages; an answer has at least one of the assistant's. */
export type Content = string | readonly Message[];

/** One row as the trainer sees it. Texts are not empty unless noted. */
export type DatasetRow =
  | { readonly format: "messages"; readonly messages: readonly Message[] }
  | { readonly format: "text"; readonly text: string }
  | {
      /** The prompt of an instruction row is its instruction, its input if it has one, and a line end. */
      readonly format: "prompt" | "instruction";
      readonly prompt: string;
      readonly completion: string;
    }
  | PreferenceRow
  | {
      readonly format: "label";
      readonly text: string;
      /** The label as text; integers in decimal. */
      readonly label: string;
    }
  | TokenRow
  | ImageRow;

/** A prompt with a preferred and a rejected answer: three texts, or three lists of messages. */
export interface PreferenceRow {
  readonly format: "preference" | "preferred_output";
  readonly prompt: Content;
  readonly chosen: Content;
  readonly rejected: Content;
}

/** Token ids without their padding. */
export interface TokenRow {
  readonly format: "tokens";
  readonly ids: readonly number[];
  /** Whether each token counts in the loss. */
  readonly counts: readonly boolean[];
}

/** An image in a class folder. */
export interface ImageRow {
  readonly format: "image";
  /** The name of the class folder. */
  readonly label: string;
  /** SHA-256 of the file, hex. */
  readonly digest: string;
}
