import { ProtocolError } from "../../errors.ts";
import { compileTemplate, type Rendered } from "../jinja/compileTemplate.ts";
import type { Value } from "../jinja/values.ts";

/** The parts of a tokenizer_config.json that determine how a conversation is rendered. */
export interface TokenizerConfig {
  /** A template, or a list of templates with names. */
  readonly chat_template?: unknown;
  readonly bos_token?: unknown;
  readonly eos_token?: unknown;
}

export interface RenderOptions {
  /** Adds the generation prompt, after which the model answers. */
  readonly ask?: boolean;
  /** The tools of the conversation; null if it has none. */
  readonly tools?: Value;
}

/**
 * Renders a conversation.
 * @throws TemplateError if the template refuses the messages.
 */
export type RenderChat = (messages: readonly Value[], options?: RenderOptions) => Rendered;

/** The special tokens that templates know by name, as in transformers. */
const SPECIAL_TOKENS = [
  "bos_token",
  "eos_token",
  "unk_token",
  "sep_token",
  "pad_token",
  "cls_token",
  "mask_token",
];

/**
 * Compiles the chat template of a model.
 * @throws ProtocolError "dataset-invalid" if the model has none, "usage" if it cannot be read.
 */
export function createChatTemplate(config: TokenizerConfig): RenderChat {
  const sources = readSources(config.chat_template);
  const main = sources.get("default");
  if (main === undefined) {
    throw new ProtocolError(
      "dataset-invalid",
      "The model has no chat template, so it cannot be trained on messages.",
      "Choose a chat model or give prompt and completion.",
    );
  }
  const plain = compile(main);
  const withTools = sources.has("tool_use") ? compile(sources.get("tool_use")!) : plain;
  const tokens = specialTokens(config);
  return (messages, { ask = false, tools = null } = {}) => {
    const context: [string, Value][] = [
      ["messages", messages],
      ["tools", tools],
      ["documents", null],
      ["add_generation_prompt", ask],
      ...tokens,
    ];
    return (tools === null ? plain : withTools)(new Map(context));
  };
}

/** The text of a special token, which the config gives as a text or as an object with a content. */
export function tokenText(token: unknown): string | undefined {
  if (typeof token === "string") return token;
  const content = (token as { content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}

/** The special tokens that a tokenizer_config.json names, each with its text. */
export function specialTokens(config: TokenizerConfig): [name: string, text: string][] {
  return SPECIAL_TOKENS.flatMap((name) => {
    const text = tokenText((config as Record<string, unknown>)[name]);
    return text === undefined ? [] : [[name, text] satisfies [string, string]];
  });
}

/** Templates by name; a single one is the default. */
function readSources(template: unknown): ReadonlyMap<string, string> {
  if (typeof template === "string") return new Map([["default", template]]);
  const named = (Array.isArray(template) ? template : []) as {
    name?: unknown;
    template?: unknown;
  }[];
  return new Map(
    named.flatMap(({ name, template: source }) =>
      typeof name === "string" && typeof source === "string" ? [[name, source]] : [],
    ),
  );
}

function compile(source: string) {
  try {
    return compileTemplate(source);
  } catch (error) {
    throw new ProtocolError(
      "usage",
      `The model's chat template cannot be read (${(error as Error).message}).`,
      "Choose another model, or give prompt and completion.",
      { cause: error },
    );
  }
}
