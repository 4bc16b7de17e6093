import type { TokenizerJson } from "./TokenizerJson.ts";

/** Token ids of a tokenizer.json are below this number; 0 if it has no vocabulary. */
export function vocabularySize({
  model,
  added_tokens: added = [],
}: Partial<TokenizerJson>): number {
  const vocab: object = model?.vocab ?? {};
  const ids = Array.isArray(vocab) ? vocab.keys() : (Object.values(vocab) as number[]);
  let size = 0;
  for (const id of ids) size = Math.max(size, id + 1);
  for (const { id } of added) size = Math.max(size, id + 1);
  return size;
}
