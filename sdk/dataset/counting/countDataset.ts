import { stat } from "node:fs/promises";
import { ProtocolError } from "../../errors.ts";
import { readRows } from "../checking/readRows.ts";
import type { Content, DatasetKind, DatasetRow, Message } from "../formats/DatasetRow.ts";
import { createTokenCounter } from "../tokenizer/createTokenCounter.ts";
import { createChatRenderer } from "../tokenizer/renderChat.ts";
import { endTokens, onFirstUse, type TokenizerDocument } from "../tokenizer/TokenizerDocument.ts";
import type { TokenizerJson } from "../tokenizer/TokenizerJson.ts";
import { vocabularySize } from "../tokenizer/vocabularySize.ts";

/** The size of a dataset, for its price. */
export interface DatasetCount {
  readonly rows: number;
  /** Size of the file in bytes. */
  readonly bytes: number;
  /** In the service's unit: bytes of the file, or tokens of all rows before truncation; an image is one token. */
  readonly dataSize: bigint;
}

/** Options of countDataset. */
export interface CountOptions {
  readonly kind: DatasetKind;
  /** What the provider charges for. */
  readonly unit: "byte" | "token";
  /** The model's tokenizer; needed for the unit "token", unless the model takes images. */
  readonly tokenizer?: TokenizerDocument;
}

/**
 * Measures a dataset in the service's unit, with the same result as the trainer.
 * @throws ProtocolError "dataset-invalid" for the first error of the dataset, "usage" if the tokenizer is missing or
 * does not allow exact counts.
 * @example
 * const { dataSize } = await countDataset("capitals.jsonl", {
 *   kind: "causal-lm",
 *   unit: "token",
 *   tokenizer,
 * });
 */
export async function countDataset(path: string, options: CountOptions): Promise<DatasetCount> {
  const { kind, unit, tokenizer } = options;
  const count = unit === "token" ? createRowCounter(kind, tokenizer) : () => 0;
  const vocabulary = tokenizer && vocabularySize(tokenizer.tokenizer);
  let rows = 0;
  let tokens = 0;
  for await (const { line, row } of readRows(path, { kind, ...(vocabulary && { vocabulary }) })) {
    rows += 1;
    tokens += count(row, `${path}:${line}`);
  }
  const { size } = await stat(path);
  return { rows, bytes: size, dataSize: BigInt(unit === "token" ? tokens : size) };
}

type RowCounter = (row: DatasetRow, place: string) => number;

/** Tokens of a row before truncation. */
function createRowCounter(kind: DatasetKind, document: TokenizerDocument | undefined): RowCounter {
  if (kind === "image-classification") return () => 1;
  if (!document) {
    throw new ProtocolError(
      "usage",
      "The provider charges by the token, but the model's tokenizer is not given.",
      "Give the tokenizer that the provider serves for the model.",
    );
  }
  const counter = onFirstUse(() =>
    createTokenCounter(document.tokenizer as unknown as TokenizerJson),
  );
  const config = document.tokenizerConfig;
  const render = onFirstUse(() => createChatRenderer(config));
  const end = onFirstUse(() => endTokens(config, counter()));
  const countAnswer = (prompt: Content, answer: Content, place: string): number => {
    if (typeof prompt === "string") {
      return counter().count(prompt) + counter().count(answer as string) + end();
    }
    const messages = [...prompt, ...(answer as readonly Message[])];
    return counter().count(renderAt(render(), messages, place));
  };
  return (row, place) => {
    switch (row.format) {
      case "messages":
        return counter().count(renderAt(render(), row.messages, place));
      case "text":
        return counter().count(row.text) + end();
      case "prompt":
      case "instruction":
        return countAnswer(row.prompt, row.completion, place);
      case "preference":
      case "preferred_output":
        return (
          countAnswer(row.prompt, row.chosen, place) + countAnswer(row.prompt, row.rejected, place)
        );
      case "label":
        return counter().count(row.text) + counter().specialTokens;
      case "tokens":
        return row.ids.length;
      case "image":
        return 1;
    }
  };
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
      "Order the messages as the model's chat template requires.",
      { cause: error },
    );
  }
}
