import { Template } from "@huggingface/jinja";
import { ProtocolError } from "../../errors.ts";
import type { Message } from "../formats/DatasetRow.ts";
import { STRIP_FUNCTIONS, stripAsPython } from "./pythonStrip.ts";

/** The parts of a tokenizer_config.json that determine how a conversation is rendered. */
export interface TokenizerConfig {
  readonly chat_template?: unknown;
  readonly bos_token?: unknown;
  readonly eos_token?: unknown;
}

/** Renders a conversation; `ask` adds the generation prompt. */
export type RenderChat = (messages: readonly Message[], options?: { ask?: boolean }) => string;

/** Compiles the chat template; the returned function throws an Error if the template refuses a conversation. */
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

/** The text of a special token, which the config gives as a text or as an object with a content. */
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
