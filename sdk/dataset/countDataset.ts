import { stat } from "node:fs/promises";
import { ProtocolError } from "../errors.ts";
import type { DatasetKind, DatasetRow, Message } from "./DatasetRow.ts";
import { readRows } from "./readRows.ts";
import { createTokenCounter } from "./tokenizer/createTokenCounter.ts";
import { createChatRenderer, type TokenizerConfig, tokenText } from "./tokenizer/renderChat.ts";
import type { TokenizerJson } from "./tokenizer/TokenizerJson.ts";

/** A model's tokenizer.json and tokenizer_config.json, as the provider serves and the catalogue hashes them. */
export interface TokenizerDocument {
  readonly tokenizer: Readonly<Record<string, unknown>>;
  readonly tokenizerConfig: Readonly<Record<string, unknown>>;
}

export interface DatasetCount {
  readonly rows: number;
  /** Size of the file. */
  readonly bytes: number;
  /** What the price is multiplied with: bytes of the file, or tokens of all rows before truncation. */
  readonly units: bigint;
}

export interface CountOptions {
  readonly kind: DatasetKind;
  /** What the provider charges for. */
  readonly unit: "byte" | "token";
  /** The model's tokenizer; needed for the unit "token". */
  readonly tokenizer?: TokenizerDocument;
}

/**
 * Counts what a dataset costs, equal to the trainer's own count.
 * @throws ProtocolError "dataset-invalid" at the first error of the dataset, "usage" when the tokenizer is missing or
 * cannot be counted with exactly.
 */
export async function countDataset(path: string, options: CountOptions): Promise<DatasetCount> {
  const { kind, unit, tokenizer } = options;
  const count = unit === "token" ? createRowCounter(tokenizer) : () => 0;
  let rows = 0;
  let tokens = 0;
  for await (const { line, row } of readRows(path, { kind })) {
    rows += 1;
    tokens += count(row, `${path}:${line}`);
  }
  const { size } = await stat(path);
  return { rows, bytes: size, units: BigInt(unit === "token" ? tokens : size) };
}

/** Tokens of one row before truncation. */
function createRowCounter(
  document: TokenizerDocument | undefined,
): (row: DatasetRow, place: string) => number {
  if (!document) {
    throw new ProtocolError(
      "usage",
      "The provider charges by the token and the model's tokenizer is not given.",
      "Give the tokenizer that the provider serves for the model.",
    );
  }
  const counter = createTokenCounter(document.tokenizer as unknown as TokenizerJson);
  const config: TokenizerConfig = document.tokenizerConfig;
  const render = onFirstUse(() => createChatRenderer(config));
  const end = onFirstUse(() => requireEndToken(config, counter));
  return (row, place) => {
    switch (row.format) {
      case "messages":
        return counter.count(renderAt(render(), row.messages, place));
      case "text":
        return counter.count(row.text) + end();
      case "prompt":
      case "instruction":
        return counter.count(row.prompt) + counter.count(row.completion) + end();
      case "label":
        return counter.count(row.text) + counter.specialTokens;
    }
  };
}

/** The one token that ends a text; a model without it cannot be trained on texts or prompts. */
function requireEndToken(config: TokenizerConfig, counter: { has(token: string): boolean }): 1 {
  const token = tokenText(config.eos_token);
  if (token !== undefined && counter.has(token)) return 1;
  throw new ProtocolError(
    "usage",
    "The model's tokenizer has no end token, so it cannot be trained on texts or prompts.",
    "Choose another model, or tell the provider to repair the tokenizer files.",
  );
}

function renderAt(
  render: (messages: readonly Message[]) => string,
  messages: readonly Message[],
  place: string,
): string {
  try {
    return render(messages);
  } catch (error) {
    throw new ProtocolError(
      "dataset-invalid",
      `${place}: The chat template refuses the messages (${(error as Error).message}).`,
      "Order the messages as the model's chat template asks.",
      { cause: error },
    );
  }
}

/** What only some formats need is made, and may fail, when the first row needs it. */
function onFirstUse<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
