import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { ProviderError, TaskRefused } from "../../../../provider/errors.ts";
import type { Model } from "../../../../provider/models/Catalogue.ts";
import { countTokens } from "../../../../provider/training/countTokens.ts";

const ROOT = join(import.meta.dirname, "../../../..");

describe("countTokens, with the real trainer", function () {
  this.timeout(30_000);

  const environment = { PATH: process.env.PATH!, PYTHONPATH: join(ROOT, "provider/trainer") };
  const python = join(ROOT, ".venv/bin/python");
  const never = new AbortController().signal;
  let root: string;
  let model: Model;

  before(() => {
    root = mkdtempSync(join(tmpdir(), "anneal-count-"));
    execFileSync(python, ["-m", "finetune.tiny_models", root], { env: environment });
    model = { kind: "causal-lm", directory: join(root, "tiny-qwen2") } as Model;
  });
  after(() => rmSync(root, { recursive: true }));

  const count = (content: string, executable = python) => {
    const file = join(root, "train.jsonl");
    writeFileSync(file, content);
    return countTokens({ python: executable, environment }, model, file, never);
  };

  it("counts what the training will see", async () => {
    const one = await count('{"text":"Once upon a time."}\n');
    expect(one).to.be.greaterThan(4);
    expect(await count('{"text":"Once upon a time."}\n'.repeat(3))).to.equal(3 * one);
  });

  it("counts an image as one token", async () => {
    const vision = { kind: "image-classification", directory: join(root, "tiny-mobilenet-v2") };
    const file = join(ROOT, "provider/trainer/tests/examples/images.tar.gz");
    expect(await countTokens({ python, environment }, vision as Model, file, never)).to.equal(6);
  });

  it("refuses a dataset that breaks the format, with the line", async () => {
    const error = await count('{"text":"fine"}\n{"unknown":1}\n').catch((error) => error);
    expect(error).to.be.instanceOf(TaskRefused).and.to.include({ reason: "DatasetInvalid" });
    expect(error.message).to.match(/train\.jsonl:2/);
  });

  it("blames itself, and not the user, when the trainer cannot run", async () => {
    const error = await count('{"text":"fine"}\n', "/nowhere/python").catch((error) => error);
    expect(error).to.be.instanceOf(ProviderError).and.not.to.be.instanceOf(TaskRefused);
    expect(error.retryable).to.equal(true);
  });
});
