/** One measurement of `npm run bench:data`, in its own process: check or count of a dataset, with or without a memory. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkDataset } from "../../sdk/dataset/checking/checkDataset.ts";
import { countDataset } from "../../sdk/dataset/counting/countDataset.ts";
import { measured } from "./measured.ts";

const [what, path, model, memory] = process.argv.slice(2) as [string, string, string, string?];
const read = (name: string) => JSON.parse(readFileSync(join(model, name), "utf8"));
const tokenizer = {
  tokenizer: read("tokenizer.json"),
  tokenizerConfig: read("tokenizer_config.json"),
};
const options = { kind: "causal-lm", tokenizer, ...(memory && { memory }) } as const;

await measured(async () => {
  if (what === "check") {
    const { rows, size, errors } = await checkDataset(path, { ...options, maxLength: 2048 });
    return `${rows} rows, ${size?.tokens} tokens, ${errors} errors`;
  }
  const { rows, dataSize } = await countDataset(path, { ...options, unit: "token" });
  return `${rows} rows, ${dataSize} tokens, 0 errors`;
});
