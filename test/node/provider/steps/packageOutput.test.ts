import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { after, describe, it } from "mocha";
import { openPromise } from "yauzl";
import { ProviderError, TaskRefusedError } from "../../../../provider/errors.ts";
import { jobPaths } from "../../../../provider/files/jobPaths.ts";
import { packageOutput } from "../../../../provider/steps/packageOutput.ts";
import type { StepContext } from "../../../../provider/steps/parts/StepContext.ts";
import type { JobRecord } from "../../../../provider/store/Store.ts";
import { openArchive } from "../../../../sdk/deliverable/openArchive.ts";
import type { TaskId } from "../../../../sdk/ids.ts";

const id = `0x${"ab".repeat(16)}` as TaskId;

describe("provider/jobs/steps/packageOutput", () => {
  const jobsDirectory = mkdtempSync(join(tmpdir(), "anneal-package-"));
  after(() => rmSync(jobsDirectory, { recursive: true }));
  const paths = jobPaths(jobsDirectory, id);

  const write = (...names: string[]) => {
    for (const name of names) {
      mkdirSync(dirname(join(paths.work, name)), { recursive: true });
      writeFileSync(join(paths.work, name), name);
    }
  };
  const pack = (task = id, failures = 0) =>
    packageOutput(
      { jobsDirectory, maxJobBytes: 2 ** 20 } as StepContext,
      { id: task, order: { config: { suffix: "sums" } }, facts: { model: "tiny" } } as JobRecord,
      new AbortController().signal,
      failures,
    );

  it("packs the model and every checkpoint but the last, which is the model; identical both times", async () => {
    write("out/model.safetensors", "out/receipt.json", "recovery/step-5/model.safetensors");
    write("checkpoints/step-2/model.safetensors", "checkpoints/step-10/model.safetensors");
    write("checkpoints/step-4/model.safetensors", "checkpoints/step-6.tmp/model.safetensors");
    write("checkpoints/step-4/training.safetensors", "checkpoints/step-4/state.json");
    const first = await pack();
    const archive = await openArchive(paths.archive);
    expect(archive.entries.map(({ name }) => name)).to.deep.equal([
      "checkpoints/step-2/model.safetensors",
      "checkpoints/step-4/model.safetensors",
      "model.safetensors",
      "receipt.json",
    ]);
    archive.close();
    expect(await pack()).to.deep.equal(first);
  });

  it("packs everything into one folder with the tuned model's name, so that nothing is unpacked beside it", async () => {
    write("out/README.md", "checkpoints/step-2/model.safetensors");
    await pack();
    const zip = await openPromise(paths.archive);
    const names = [];
    for await (const { fileName } of zip.eachEntry()) names.push(fileName);
    expect(names).to.include("tiny-sums/README.md");
    expect(names.filter((name) => !name.startsWith("tiny-sums/"))).to.deep.equal([]);
  });

  it("retries if the model is missing, and fails the task before its deadline passes", async () => {
    const lost = `0x${"cd".repeat(16)}` as TaskId;
    const failure = (failures: number) => pack(lost, failures).catch((error) => error);
    expect(await failure(0))
      .to.be.instanceOf(ProviderError)
      .and.to.include({ retryable: true });
    expect(await failure(8)).to.include({ retryable: true });
    expect(await failure(9))
      .to.be.instanceOf(TaskRefusedError)
      .and.to.include({ reason: "TrainingError" });
  });
});
