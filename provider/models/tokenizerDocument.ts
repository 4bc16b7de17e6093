import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { readJsonFile } from "./readJsonFile.ts";

const AnyObject = z.looseObject({});

/** The empty tokenizer document of image models. */
export const NO_TOKENIZER: Uint8Array = Buffer.from(
  JSON.stringify({ tokenizer: {}, tokenizerConfig: {} }),
);

/**
 * A model's tokenizer as one JSON document, `{"tokenizer": …, "tokenizerConfig": …}`. A chat template in a separate
 * file is moved into the tokenizer's configuration, where older models have it.
 * @throws Error if a file is missing or is not JSON.
 */
export async function readTokenizerDocument(directory: string): Promise<Uint8Array> {
  const tokenizer = await readJsonFile(directory, "tokenizer.json", AnyObject);
  const tokenizerConfig = await readJsonFile(directory, "tokenizer_config.json", AnyObject);
  const template = await readFile(join(directory, "chat_template.jinja"), "utf8").catch(() => null);
  if (template !== null) tokenizerConfig.chat_template = template;
  return Buffer.from(JSON.stringify({ tokenizer, tokenizerConfig }));
}
