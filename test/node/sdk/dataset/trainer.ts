import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { expect } from "chai";
import { checkDataset } from "../../../../sdk/dataset/checking/checkDataset.ts";
import { countDataset } from "../../../../sdk/dataset/counting/countDataset.ts";
import type { DatasetKind } from "../../../../sdk/dataset/formats/DatasetRow.ts";
import type { TokenizerDocument } from "../../../../sdk/dataset/tokenizer/TokenizerDocument.ts";

const ROOT = resolve(import.meta.dirname, "../../../..");
const PYTHON = join(ROOT, ".venv/bin/python");

/** The example files that this test suite and the trainer's share. */
export const EXAMPLES = join(ROOT, "provider/trainer/tests/examples");

/** For a before hook: skips its describe block, with a message, on a machine without the trainer. */
export function skipWithoutTrainer(hook: Mocha.Context): void {
  if (existsSync(PYTHON)) return;
  console.warn("    SKIPPED: no trainer in .venv; `npm run setup` installs it.");
  hook.skip();
}

/** Makes the trainer's tiny models below a folder. */
export function makeTinyModels(folder: string): void {
  python("-m", "anneal_trainer.tiny_models", folder);
}

/** The trainer's own count of a dataset. */
export function countByTrainer(
  model: string,
  kind: DatasetKind,
  path: string,
): { rows: number; tokens: number } {
  return JSON.parse(python("-m", "anneal_trainer.count", "--model", model, "--kind", kind, path));
}

/** A dataset file for the trainer to write, unless it exists, and to count. */
export interface File {
  readonly path: string;
  readonly kind: DatasetKind;
  /** Directory of the model. */
  readonly model: string;
  /** Tokens to which rows are cut; default: 64. */
  readonly maxLength?: number;
  /** Of a .parquet file. */
  readonly columns?: Readonly<Record<string, readonly (readonly (number | null)[] | null)[]>>;
  /** Of an archive: path and content as base64. */
  readonly entries?: readonly (readonly [string, string])[];
}

/** Sums over the rows, after truncation; for images only the first two. */
interface Judgement {
  readonly rows: number;
  readonly tokens: number;
  readonly kept?: number;
  readonly learned?: number;
  readonly truncated?: number;
}

/** The trainer's results for many files at once. */
function judgeByTrainer(files: readonly File[]): (Judgement | { readonly error: string })[] {
  const output = execFileSync(PYTHON, ["-B", "tests/agree.py"], {
    cwd: join(ROOT, "provider/trainer"),
    encoding: "utf8",
    input: JSON.stringify(files),
    maxBuffer: 2 ** 28,
  });
  return JSON.parse(output);
}

/**
 * Expects both sides to find the same rows and tokens, or the trainer's first error among those found here.
 * @return the number of valid files, and of their rows
 */
export async function expectAgreement(
  files: readonly File[],
): Promise<{ readonly sound: number; readonly rows: number }> {
  const found = { sound: 0, rows: 0 };
  for (const [n, verdict] of judgeByTrainer(files).entries()) {
    const { path, kind, model, maxLength = 64 } = files[n]!;
    const options = {
      kind,
      ...(kind !== "image-classification" && { tokenizer: readTokenizer(model) }),
    };
    const { problems, size } = await checkDataset(path, { ...options, maxLength });
    const errors = problems.filter(({ severity }) => severity === "error");
    if ("error" in verdict) {
      const sentences = errors.map(({ entry, line, message, hint }) =>
        withoutReason(`${basename(path)}:${entry ?? line}: ${message}\n${hint}`),
      );
      expect(sentences).to.include(withoutReason(verdict.error));
      continue;
    }
    expect(errors, path).to.deep.equal([]);
    const { rows, dataSize } = await countDataset(path, { ...options, unit: "token" });
    expect({ rows, tokens: Number(dataSize), ...size }, path).to.deep.equal(verdict);
    found.sound += 1;
    found.rows += rows;
  }
  return found;
}

/** A message without a library's reason, in which the two sides differ. */
export function withoutReason(message: string): string {
  return message.replace(/\((?!found: ).*\)/s, "(…)");
}

export function readTokenizer(model: string): TokenizerDocument {
  const read = (name: string) => JSON.parse(readFileSync(join(model, name), "utf8"));
  return { tokenizer: read("tokenizer.json"), tokenizerConfig: read("tokenizer_config.json") };
}

function python(...args: string[]): string {
  return execFileSync(PYTHON, ["-B", ...args], {
    cwd: join(ROOT, "provider/trainer"),
    encoding: "utf8",
  });
}
