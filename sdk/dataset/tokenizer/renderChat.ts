import { Template } from "@huggingface/jinja";
import { ProtocolError } from "../../errors.ts";
import type { Message } from "../formats/DatasetRow.ts";
import { STRIP_FUNCTIONS, stripAsPython } from "./pythonStrip.ts";

/** What of a tokenizer_config.json decides how a conversation is written. */
export interface TokenizerConfig {
  readonly chat_template?: unknown;
  readonly bos_token?: unknown;
  readonly eos_token?: unknown;
}

/** Writes a conversation; `ask` ends it where the assistant would start to speak. */
export type RenderChat = (messages: readonly Message[], options?: { ask?: boolean }) => string;

/** Compiles the chat template; a conversation that it refuses makes the returned function throw an Error. */
export function createChatRenderer(config: TokenizerConfig): RenderChat {
  const { chat_template: source } = config;
  if (typeof source !== "string") {
    throw new ProtocolError(
      "dataset-invalid",
      "The model has no chat template, so it cannot be trained on messages.",
      "Choose a chat model or give prompt and completion.",
    );
  }
  const template = compile(source);
  const names = {
    bos_token: tokenText(config.bos_token) ?? "",
    eos_token: tokenText(config.eos_token) ?? "",
  };
  const context = { ...names, ...STRIP_FUNCTIONS };
  return (messages, { ask = false } = {}) =>
    template.render({ messages, add_generation_prompt: ask, ...context });
}

/** A special token's text; the config spells it as a text or as an object with its content. */
export function tokenText(token: unknown): string | undefined {
  if (typeof token === "string") return token;
  const content = (token as { content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}

function compile(source: string): Template {
  try {
    const template = new Template(source);
    stripAsPython(template);
    return template;
  } catch (error) {
    throw new ProtocolError(
      "usage",
      "The model's chat template cannot be read.",
      "Choose another model, or give prompt and completion.",
      { cause: error },
    );
  }
}
