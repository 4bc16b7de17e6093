import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, before, beforeEach, describe, it } from "mocha";
import pino from "pino";
import { systemClock } from "../../../../provider/clock.ts";
import { ProviderError, TaskRefusedError } from "../../../../provider/errors.ts";
import { jobPaths } from "../../../../provider/files/jobPaths.ts";
import { Catalogue, type Model } from "../../../../provider/models/Catalogue.ts";
import { clean } from "../../../../provider/steps/clean.ts";
import { packageOutput } from "../../../../provider/steps/packageOutput.ts";
import type { StepContext } from "../../../../provider/steps/parts/StepContext.ts";
import { train } from "../../../../provider/steps/train.ts";
import type { JobRecord } from "../../../../provider/store/Store.ts";
import { LocalTrainer } from "../../../../provider/training/LocalTrainer.ts";
import { hasSandbox } from "../../../../provider/training/sandbox.ts";
import { writeSystemCallFilter } from "../../../../provider/training/systemCalls.ts";
import { openArchive } from "../../../../sdk/deliverable/openArchive.ts";
import type { TaskId } from "../../../../sdk/ids.ts";

const ID = `0x${"1a".repeat(16)}` as TaskId;
const HASH = `0x${"ab".repeat(32)}`;
const SECRET = "passphrase of the keystore";
/** Python of the system: nothing else needs to be seen in the sandbox. */
const PYTHON = "python3";

/** What every training run here does besides its attack, as a stub trainer that learns nothing. */
const HONEST = `
import json, os, sys, time
job = sys.argv[-1]
work = job + "/work"
assert os.getcwd() == work
os.makedirs("out", exist_ok=True)
open("out/model.safetensors", "w").write("weights")
def tell(event): open("events.jsonl", "a").write(json.dumps(event) + "\\n")
`;

/** A machine on which training runs succeed. */
const SOUND = { isBroken: false, isHealthy: async () => true, noteTrained: () => undefined };

describe("a compromised training run, in a real sandbox", () => {
  let root: string;
  let paths: ReturnType<typeof jobPaths>;
  let other: string;

  before(function () {
    if (hasSandbox()) return;
    console.log("      SKIPPED: bubblewrap is not installed (scripts/install-debian.sh).");
    this.skip();
  });
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "anneal-hostile-"));
    writeSystemCallFilter(join(root, "system-calls.bpf"));
    paths = jobPaths(join(root, "state/jobs"), ID);
    other = join(root, "state/jobs", "another", "events.jsonl");
    for (const folder of ["model", "state/jobs/another"])
      mkdirSync(join(root, folder), { recursive: true });
    mkdirSync(paths.data, { recursive: true });
    writeFileSync(join(root, "model/config.json"), "{}");
    writeFileSync(join(root, "state/keystore.json"), SECRET);
    writeFileSync(paths.secrets, SECRET);
    writeFileSync(other, `{"seq":1,"type":"warning","message":"${SECRET}"}\n`);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const context = () =>
    ({
      catalogue: new Catalogue(
        [{ name: "tiny", kind: "causal-lm", hash: HASH, directory: join(root, "model") } as Model],
        { maxDatasetBytes: 2 ** 30 },
      ),
      jobsDirectory: join(root, "state/jobs"),
      checkpoints: { directory: join(root, "state/checkpoints"), days: 30, tasks: 10 },
      maxJobBytes: 4 * 2 ** 20,
      machine: SOUND,
      clock: systemClock,
      trainer: new LocalTrainer({
        program: {
          python: PYTHON,
          packageDirectory: join(root, "program"),
          environment: { PATH: process.env.PATH! },
          sandbox: { maxFileBytes: 2 ** 41, filter: join(root, "system-calls.bpf") },
          counting: { memoryBytes: 2 ** 32, seconds: 60 },
        },
        clock: systemClock,
        log: pino({ level: "silent" }),
      }),
    }) as unknown as StepContext;
  const record = {
    id: ID,
    user: `0x${"aa".repeat(20)}`,
    order: { modelHash: HASH, config: {} },
    facts: { model: "tiny", train: "data/train.jsonl", validation: null },
    job: { chain: "Settled" },
  } as unknown as JobRecord;
  const never = new AbortController().signal;

  /** Trains with some lines of Python. The sandbox shows the package, so nothing else may be beside it. */
  const attack = (lines: string) => {
    const program = join(root, "program/anneal_trainer");
    mkdirSync(program, { recursive: true });
    writeFileSync(join(program, "__init__.py"), "");
    writeFileSync(join(program, "__main__.py"), HONEST + lines);
    return train(context(), record, never, 0);
  };
  const pack = () => packageOutput(context(), record, never, 0);
  const packed = async () => {
    await pack();
    const archive = await openArchive(paths.archive);
    archive.close();
    expect(readFileSync(paths.archive).includes(SECRET)).to.equal(false);
    return archive.entries.map(({ name }) => name);
  };
  const why = () => readFileSync(paths.trainerLog, "utf8");

  it("sees nothing of the daemon, not even in its own job directory", async () => {
    await attack(`
assert sorted(os.listdir(job)) == ["data", "job.json", "model", "work"], os.listdir(job)
for path in ["${paths.secrets}", "${other}", "${root}/state/keystore.json", "../secrets.sealed"]:
    try: open(path).read(); sys.exit(1)
    except FileNotFoundError: pass
`).catch((error) => expect.fail(`${error} ${why()}`));
  });

  it("gets no file of the daemon into the user's archive by links", async () => {
    await attack(`
os.symlink("${root}/state/keystore.json", "out/keystore.json")
os.symlink("${root}/state", "out/state")
os.symlink("../../secrets.sealed", "out/secrets")
os.makedirs("checkpoints/step-1"); os.makedirs("checkpoints/step-2")
os.symlink("${root}/state/keystore.json", "checkpoints/step-1/model.safetensors")
os.symlink("${root}/state/keystore.json", "checkpoints/step-2/model.safetensors")
open("checkpoints/step-1/COMPLETE", "w"); open("checkpoints/step-2/COMPLETE", "w")
`);
    expect(await packed()).to.deep.equal(["model.safetensors"]);
    await clean(context(), record, never, 0);
    expect(existsSync(join(root, "state/checkpoints"))).to.equal(false);
    expect(readFileSync(join(root, "state/keystore.json"), "utf8")).to.equal(SECRET);
  });

  it("cannot redirect the archive to another path", async () => {
    await attack(`
for name in ["model.zip.part", "job.json.part", "result.json.part", "trainer.log", "start.part"]:
    os.symlink("${root}/state/keystore.json", name)
    os.symlink("${root}/state/keystore.json", "../" + name)
`);
    expect(await packed()).to.deep.equal(["model.safetensors"]);
    expect(readFileSync(join(root, "state/keystore.json"), "utf8")).to.equal(SECRET);
    expect(readdirSync(paths.directory)).not.to.include("start.part");
  });

  it("cannot link a file from elsewhere into its output", async () => {
    await attack(`
for path in [job + "/job.json", job + "/model/config.json", "/proc/self/fd/1"]:
    try: os.link(path, "out/" + os.path.basename(path), follow_symlinks=True); sys.exit(1)
    except OSError as error: print(error)
os.link("out/model.safetensors", "out/twice")
open("out/README.md", "w").write("whole")
`).catch((error) => expect.fail(`${error} ${why()}`));
    expect(await packed()).to.deep.equal(["README.md"]);
  });

  it("shows its user no other task's events, and does not stop the daemon with a pipe", async () => {
    await attack(`os.symlink("${other}", "events.jsonl"); os.mkfifo("result.json")`);
    expect(existsSync(paths.events)).to.equal(false);
    rmSync(paths.work, { recursive: true });
    await attack(`
os.mkfifo("events.jsonl")
os.symlink("${root}/state/keystore.json", "result.json")
os.mkfifo("out/pipe"); os.mkfifo("checkpoints")
`);
    expect(existsSync(paths.events) || existsSync(paths.result)).to.equal(false);
    expect(await packed()).to.deep.equal(["model.safetensors"]);
  });

  it("does not fill the disk with a file that is all holes, nor the memory with names", async () => {
    for (const lines of [
      'open("out/huge", "w").truncate(2**40)',
      'for i in range(20_000): os.symlink("x", f"out/{i}")',
    ]) {
      await attack(lines);
      const refusal = await pack().catch((error) => error);
      expect(refusal)
        .to.be.instanceOf(TaskRefusedError)
        .and.to.include({ reason: "TrainingError" });
      await clean(context(), record, never, 0);
      expect(existsSync(paths.work)).to.equal(false);
      expect(existsSync(join(root, "state/checkpoints"))).to.equal(false);
    }
  });

  it("does nothing after its end: processes it left are gone", async () => {
    await attack(`
if os.fork() == 0:
    os.setsid()
    for fd in (0, 1, 2): os.close(fd)
    while True:
        open("alive", "a").write("x"); time.sleep(0.001)
while not os.path.exists("alive"): time.sleep(0.001)
`);
    const size = () => readFileSync(join(paths.work, "alive")).length;
    const before = size();
    await systemClock.sleep(300, never);
    expect(size()).to.equal(before);
  });

  it("fails with its own message, without terminal control characters", async () => {
    const error: ProviderError = await attack(`
json.dump({"message": "a\\x1b[2Jb\\nTask settled", "hint": "c"}, open("result.json", "w")); sys.exit(2)
`).then(
      () => expect.fail("did not fail"),
      (error) => error,
    );
    expect(error).to.be.instanceOf(ProviderError);
    expect(error).to.include({ message: "a [2Jb Task settled", hint: "c" });
  });
});
