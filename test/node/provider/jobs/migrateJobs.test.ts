import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { jobPaths } from "../../../../provider/files/jobPaths.ts";
import { migrateJobs } from "../../../../provider/jobs/migrateJobs.ts";
import { packageOutput } from "../../../../provider/steps/packageOutput.ts";
import type { StepContext } from "../../../../provider/steps/parts/StepContext.ts";
import type { JobRecord } from "../../../../provider/store/Store.ts";
import { openArchive } from "../../../../sdk/deliverable/openArchive.ts";
import type { TaskId } from "../../../../sdk/ids.ts";

const ID = `0x${"3b".repeat(16)}` as TaskId;

describe("job directories that version 0.1.0 left", () => {
  let root: string;
  let jobs: string;
  let paths: ReturnType<typeof jobPaths>;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "anneal-adopt-"));
    jobs = join(root, "jobs");
    paths = jobPaths(jobs, ID);
    mkdirSync(paths.directory, { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const write = (name: string, text = name) => {
    mkdirSync(dirname(join(paths.directory, name)), { recursive: true });
    writeFileSync(join(paths.directory, name), text);
  };
  const read = (name: string) => readFileSync(join(paths.directory, name), "utf8");

  it("continue: training resumes from what the trainer wrote, and its log has every line once", async () => {
    const event = '{"seq":1,"type":"progress","step":1,"total":2}\n';
    for (const name of ["job.json", "data/train.jsonl", "secrets.sealed", "model.zip"]) write(name);
    for (const name of ["recovery/step-1/COMPLETE", "checkpoints/step-1/model.safetensors"])
      write(name);
    write("events.jsonl", event);
    write("result.json", '{"loss_after":1}');
    write("trainer.log");
    await migrateJobs(jobs);
    await migrateJobs(jobs);
    expect(readdirSync(paths.work).sort()).to.deep.equal([
      ...["checkpoints", "events.jsonl", "recovery", "result.json"],
    ]);
    expect(read("events.jsonl")).to.equal(event);
    expect(JSON.parse(read("result.json"))).to.deep.equal({ loss_after: 1 });
    for (const name of ["job.json", "data/train.jsonl", "secrets.sealed", "model.zip"])
      expect(read(name)).to.equal(name);
  });

  it("are packed with the checkpoints that were linked into the output", async () => {
    write("out/model.safetensors");
    for (const step of [1, 2]) write(`checkpoints/step-${step}/model.safetensors`);
    mkdirSync(join(paths.directory, "out/checkpoints/step-1"), { recursive: true });
    linkSync(
      join(paths.directory, "checkpoints/step-1/model.safetensors"),
      join(paths.directory, "out/checkpoints/step-1/model.safetensors"),
    );
    await migrateJobs(jobs);
    const context = { jobsDirectory: jobs, maxJobBytes: 2 ** 20 } as StepContext;
    const record = { id: ID, order: { config: {} }, facts: { model: "tiny" } } as JobRecord;
    await packageOutput(context, record, new AbortController().signal, 0);
    const archive = await openArchive(paths.archive);
    archive.close();
    expect(archive.entries.map(({ name }) => name)).to.deep.equal([
      "checkpoints/step-1/model.safetensors",
      "model.safetensors",
    ]);
  });

  it("keep no link and no second name that a training run put in the daemon's place", async () => {
    const secret = join(root, "keystore.json");
    writeFileSync(secret, "secret");
    mkdirSync(join(root, "folder"));
    writeFileSync(join(root, "folder/file"), "stays");
    for (const name of ["events.jsonl", "result.json", "model.zip", "job.json", "trainer.log"])
      symlinkSync(secret, join(paths.directory, name));
    for (const name of ["data", "wandb", "work", "out", "checkpoints"])
      symlinkSync(join(root, "folder"), join(paths.directory, name));
    write("own");
    linkSync(join(paths.directory, "own"), paths.encrypted);
    await migrateJobs(jobs);
    expect(readdirSync(paths.directory)).to.deep.equal(["work"]);
    expect(readFileSync(secret, "utf8")).to.equal("secret");
    expect(readdirSync(join(root, "folder"))).to.deep.equal(["file"]);
    expect(existsSync(paths.events)).to.equal(false);
  });

  it("are adopted completely by the next start if the first one was interrupted", async () => {
    write("events.jsonl", '{"seq":1,"type":"done"}\n');
    mkdirSync(paths.work);
    write("work/out/model.safetensors");
    await migrateJobs(jobs);
    expect(read("work/out/model.safetensors")).to.equal("work/out/model.safetensors");
    expect(read("events.jsonl")).to.match(/"done"/);
  });

  it("do not exist on a new machine", async () => {
    rmSync(jobs, { recursive: true });
    await migrateJobs(jobs);
    write("events.jsonl", "the daemon's own");
    await migrateJobs(jobs);
    expect(read("events.jsonl")).to.equal("the daemon's own");
  });
});
