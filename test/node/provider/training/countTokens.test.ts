import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import { ProviderError, TaskRefusedError } from "../../../../provider/errors.ts";
import type { Model } from "../../../../provider/models/Catalogue.ts";
import { countTokens } from "../../../../provider/training/countTokens.ts";
import { hasSandbox } from "../../../../provider/training/sandbox.ts";
import { writeSystemCallFilter } from "../../../../provider/training/systemCalls.ts";
import type { TrainerProgram } from "../../../../provider/training/trainerCommand.ts";
import { NO_SANDBOX, skip } from "../../../helpers/skip.ts";

const ROOT = join(import.meta.dirname, "../../../..");

describe("countTokens, with the real trainer", () => {
  const environment = { PATH: process.env.PATH!, PYTHONPATH: join(ROOT, "provider/trainer") };
  const python = join(ROOT, ".venv/bin/python");
  const never = new AbortController().signal;
  let root: string;
  let model: Model;

  before(() => {
    root = mkdtempSync(join(tmpdir(), "anneal-count-"));
    writeSystemCallFilter(join(root, "system-calls.bpf"));
    execFileSync(python, ["-m", "anneal_trainer.tiny_models", root], { env: environment });
    model = { kind: "causal-lm", directory: join(root, "tiny-qwen2") } as Model;
  });
  after(() => rmSync(root, { recursive: true }));

  const program = (
    executable = python,
    counting = { memoryBytes: 4 * 2 ** 30, seconds: 60 },
  ): TrainerProgram => ({
    python: executable,
    packageDirectory: join(ROOT, "provider/trainer"),
    environment,
    counting,
    sandbox: hasSandbox() ? { maxFileBytes: 1_000, filter: join(root, "system-calls.bpf") } : null,
  });
  const dataset = (file: string) => ({ file, tokens: join(root, "train.arrow") });
  const count = (content: string, executable = python) => {
    const file = join(root, "train.jsonl");
    writeFileSync(file, content);
    return countTokens(program(executable), model, dataset(file), never);
  };

  it("counts what the training run will see", async () => {
    const one = await count('{"text":"Once upon a time."}\n');
    expect(one).to.be.greaterThan(4);
    expect(await count('{"text":"Once upon a time."}\n'.repeat(3))).to.equal(3 * one);
  });

  it("leaves the token ids for the training", async () => {
    await count('{"text":"Once upon a time."}\n'.repeat(3));
    const tokens = readFileSync(join(root, "train.arrow"));
    expect(tokens.subarray(0, 6).toString()).to.equal("ARROW1");
  });

  it("counts an image as one token", async () => {
    const vision = { kind: "image-classification", directory: join(root, "tiny-mobilenet-v2") };
    const file = join(ROOT, "provider/trainer/tests/examples/images.tar.gz");
    expect(await countTokens(program(), vision as Model, dataset(file), never)).to.equal(6);
  });

  it("allows a validation dataset with images of one class only", async () => {
    const vision = { kind: "image-classification", directory: join(root, "tiny-mobilenet-v2") };
    const file = join(ROOT, "provider/trainer/tests/examples/invalid/one-class.zip");
    const asTraining = await countTokens(program(), vision as Model, dataset(file), never).catch(
      (e) => e,
    );
    expect(asTraining).to.include({ reason: "DatasetInvalid" });
    const validation = { ...dataset(file), isValidation: true };
    expect(await countTokens(program(), vision as Model, validation, never)).to.be.greaterThan(0);
  });

  it("counts the file in a sandbox that shows nothing else of this machine, and writes one file", async function () {
    if (!hasSandbox()) skip(this, NO_SANDBOX);
    // Simulates a dataset that took over the interpreter: this "Python" reports what it sees.
    const spy = join(root, "env/bin/python");
    mkdirSync(dirname(spy), { recursive: true });
    writeFileSync(
      spy,
      `#!/bin/sh
ls ${root} ${homedir()} /proc/net/route >&2
touch ${root}/written "$0" && echo WRITTEN >&2
head --bytes=40M /dev/zero > ${root}/train.arrow
exit 1
`,
      { mode: 0o755 },
    );
    writeFileSync(join(root, "secret"), "");
    const error = await count('{"text":"fine"}\n', spy).catch((error) => error);
    expect(error.message).to.include("train.jsonl").and.include("tiny-qwen2");
    expect(error.message).not.to.match(/secret|WRITTEN/);
    expect(existsSync(join(root, "written"))).to.equal(false);
    expect(statSync(join(root, "train.arrow")).size).to.be.within(1, 17 * 2 ** 20);
  });

  it("refuses a dataset that breaks the format, with the line", async () => {
    const error = await count('{"text":"fine"}\n{"unknown":1}\n').catch((error) => error);
    expect(error).to.be.instanceOf(TaskRefusedError).and.to.include({ reason: "DatasetInvalid" });
    expect(error.message).to.match(/train\.jsonl:2/);
  });

  it("refuses at once a dataset that takes more memory than counting may use", async () => {
    // Eight million ids in one row: valid by every rule, and half a gigabyte as Python lists.
    const file = join(root, "train.parquet");
    const script = `
import sys, pyarrow
from pyarrow import parquet
n = 2**23 - 1
rows = pyarrow.ListArray.from_arrays([0, n], pyarrow.array(range(n), pyarrow.int64()))
parquet.write_table(pyarrow.table({"input_ids": rows}), sys.argv[1], compression="zstd")`;
    execFileSync(python, ["-c", script, file], { env: environment });
    const little = program(python, { memoryBytes: 2 ** 29, seconds: 60 });
    const error = await countTokens(little, model, dataset(file), never).catch((error) => error);
    expect(error).to.be.instanceOf(TaskRefusedError).and.to.include({ reason: "DatasetInvalid" });
    expect(error.message).to.match(/more than the 536870912 bytes of memory|cannot be read/);
  });

  it("refuses at once a dataset that takes more time than counting may take", async () => {
    const file = join(root, "train.jsonl");
    writeFileSync(file, '{"text":"Once upon a time."}\n'.repeat(300_000));
    const hasty = program(python, { memoryBytes: 4 * 2 ** 30, seconds: 1 });
    const error = await countTokens(hasty, model, dataset(file), never).catch((error) => error);
    expect(error).to.be.instanceOf(TaskRefusedError).and.to.include({ reason: "DatasetInvalid" });
    expect(error.message).to.match(/or 1 CPU seconds/);
  });

  it("distinguishes a crashed parser from a machine that is shutting down", async () => {
    const ending = (script: string) => {
      const broken = join(root, "broken/bin/python");
      mkdirSync(dirname(broken), { recursive: true });
      writeFileSync(broken, script, { mode: 0o755 });
      return count('{"text":"fine"}\n', broken).catch((error) => error);
    };
    // The first process of a sandbox dies of its own faults, but of no signal sent from within.
    const faulting = "#!/usr/bin/env python3\nimport ctypes\nctypes.string_at(0)\n";
    const endedBy = (signal: string) => `#!/bin/sh\nsh -c 'kill -${signal} $$'\nexit $?\n`;
    expect(await ending(faulting)).to.include({ reason: "DatasetInvalid" });
    expect(await ending(endedBy("KILL"))).to.include({ reason: "DatasetInvalid" });
    expect(await ending(endedBy("HUP"))).to.include({ retryable: true });
  });

  it("reports a provider's fault, not invalid input, if the trainer cannot run", async () => {
    const error = await count('{"text":"fine"}\n', "/nowhere/python").catch((error) => error);
    expect(error).to.be.instanceOf(ProviderError).and.not.to.be.instanceOf(TaskRefusedError);
    expect(error.retryable).to.equal(true);
  });
});
