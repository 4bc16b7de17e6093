import type { Json } from "../jinja/json.ts";

/** The kind of model that a dataset is for; it follows from the model's architecture, not from the file. */
export type DatasetKind = "causal-lm" | "text-classification" | "image-classification";

export const DATASET_KINDS = [
  "causal-lm",
  "text-classification",
  "image-classification",
] as const satisfies readonly DatasetKind[];

export type Role = "system" | "developer" | "user" | "assistant" | "tool";

/** One message of a conversation. */
export interface Message {
  readonly role: Role;
  /** Text parts are joined. Null only in a message with tool calls. */
  readonly content: string | null;
  readonly name?: string;
  /** What the assistant thought before it answered. */
  readonly reasoning?: string;
  readonly toolCalls?: readonly ToolCall[];
  /** The call that a message of a tool answers. */
  readonly toolCallId?: string;
  /** 0: the message of the assistant is not learned. */
  readonly weight?: 0 | 1;
}

/** A function that the assistant calls. */
export interface ToolCall {
  readonly id?: string;
  readonly name: string;
  /** A JSON object. */
  readonly arguments: Json;
  /** The arguments as the row has them, if it has them as a text. */
  readonly argumentsText?: string;
}

/** A prompt or an answer: a text, or messages; an answer has at least one of the assistant's. */
export type Content = string | readonly Message[];

/** One row as the trainer sees it. Texts are not empty unless noted. */
export type DatasetRow =
  | {
      readonly format: "messages";
      readonly messages: readonly Message[];
      /** The functions that the assistant may call, as {"type": "function", "function": {…}}. */
      readonly tools?: readonly Json[];
    }
  | { readonly format: "text"; readonly text: string }
  | {
      /** The prompt of an instruction row is its instruction, its input if it has one, and a line end. */
      readonly format: "prompt" | "instruction";
      readonly prompt: Content;
      readonly completion: Content;
      readonly tools?: readonly Json[];
    }
  | PreferenceRow
  | UnpairedRow
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
  readonly tools?: readonly Json[];
}

/** A prompt with an answer that is desirable, or not. */
export interface UnpairedRow {
  readonly format: "unpaired";
  readonly prompt: Content;
  readonly completion: Content;
  readonly desirable: boolean;
  readonly tools?: readonly Json[];
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
  /** In pixels, as stored: EXIF may turn the image. */
  readonly width: number;
  readonly height: number;
  /** Size of the file. */
  readonly bytes: number;
}
