/** What a dataset is for; follows from the model's architecture, not from the file. */
export type DatasetKind = "causal-lm" | "text-classification";

export type Role = "system" | "user" | "assistant";

export interface Message {
  readonly role: Role;
  readonly content: string;
}

/** One row as the trainer sees it. No text in it is empty, except where said so. */
export type DatasetRow =
  | { readonly format: "messages"; readonly messages: readonly Message[] }
  | { readonly format: "text"; readonly text: string }
  | {
      /** An instruction row's prompt is its instruction, its input if there is one, and a line end. */
      readonly format: "prompt" | "instruction";
      readonly prompt: string;
      readonly completion: string;
    }
  | {
      readonly format: "label";
      readonly text: string;
      /** The label as text; integers in decimal. */
      readonly label: string;
    };
