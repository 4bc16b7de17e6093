import { readFile } from "node:fs/promises";
import { join } from "node:path";

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
  const read = (name: string) => readFile(join(directory, name), "utf8");
  const tokenizer = JSON.parse(await read("tokenizer.json"));
  const tokenizerConfig = JSON.parse(await read("tokenizer_config.json"));
  const template = await read("chat_template.jinja").catch(() => null);
  if (template !== null) tokenizerConfig.chat_template = template;
  return Buffer.from(JSON.stringify({ tokenizer, tokenizerConfig }));
}
