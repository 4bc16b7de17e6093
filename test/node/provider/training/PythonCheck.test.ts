import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import pino from "pino";
import type { Clock } from "../../../../provider/clock.ts";
import { ProviderError } from "../../../../provider/errors.ts";
import { Readiness } from "../../../../provider/Readiness.ts";
import { PythonCheck } from "../../../../provider/training/PythonCheck.ts";
import { hasSandbox } from "../../../../provider/training/sandbox.ts";
import { writeSystemCallFilter } from "../../../../provider/training/systemCalls.ts";
import { ENVIRONMENT, PACKAGE, PYTHON } from "./trainingJob.ts";

const LIVE = new AbortController().signal;

describe("the check of PYTHON", () => {
  let folder: string;
  let readiness: Readiness;
  let errors: Record<string, unknown>[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "anneal-python-"));
    readiness = new Readiness();
    errors = [];
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** @param pause what happens between two attempts */
  const check = (
    python: string,
    pause: () => void,
    {
      isConfined = false,
      checkMachine = async () => null,
    }: { isConfined?: boolean; checkMachine?: () => Promise<string | null> } = {},
  ) => {
    const filter = join(folder, "system-calls.bpf");
    writeSystemCallFilter(filter);
    const sandbox = isConfined ? { maxFileBytes: 2 ** 20, filter } : null;
    const counting = { memoryBytes: 2 ** 32, seconds: 60 };
    const environment = ENVIRONMENT;
    const program = { python, packageDirectory: PACKAGE, environment, sandbox, counting };
    const trainer = { checkMachine };
    const clock: Clock = { now: () => 0, sleep: async () => pause() };
    const write = (line: string) => void errors.push(JSON.parse(line));
    const log = pino({ level: "error" }, { write });
    return new PythonCheck({ program, trainer, readiness, clock, log });
  };
  const stopped = new Error("stopped");

  it("accepts the project's own environment, in the sandbox too", async () => {
    const fail = () => {
      throw stopped;
    };
    const checking = check(PYTHON, fail, { isConfined: hasSandbox() });
    await checking.run(LIVE);
    await checking.requireWorking();
    expect(readiness.reasons()).to.deep.equal([]);
    expect(errors).to.deep.equal([]);
  });

  it("is not ready before the first check has ended", async () => {
    const { promise, resolve } = Promise.withResolvers<null>();
    const checking = check(PYTHON, () => undefined, { checkMachine: () => promise });
    expect(readiness.reasons()).to.have.length(1);
    const running = checking.run(LIVE);
    let isAccepted = false;
    const accepting = checking.requireWorking().then(() => {
      isAccepted = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(readiness.reasons()[0]).to.include({ name: "python" });
    expect(isAccepted).to.equal(false);
    resolve(null);
    expect(await running).to.equal(true);
    await accepting;
    expect(readiness.reasons()).to.deep.equal([]);
  });

  it("reports a missing interpreter before anything is accepted, and how to get one", async () => {
    const checking = check(join(folder, "no-python"), () => {
      throw stopped;
    });
    const running = checking.run(LIVE).catch((error) => error);
    const error = await checking.requireWorking().catch((error) => error);
    expect(error).to.be.instanceOf(ProviderError);
    expect(error.hint).to.include("setup.mjs");
    expect(await running).to.equal(stopped);
    expect(readiness.reasons()).to.have.length(1);
    expect(readiness.reasons()[0]!.message).to.include("ENOENT");
  });

  it("is not ready while the GPU cannot be used", async () => {
    const python = join(folder, "python");
    writeFileSync(python, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
    let isUsable = false;
    const seen: string[] = [];
    const pause = () => {
      seen.push(...readiness.reasons().map(({ message }) => message));
      isUsable = true;
    };
    const checkMachine = async () => {
      if (isUsable) return "NVIDIA H200";
      const hint = "Load the driver.";
      throw new ProviderError("torch cannot use it.", { retryable: true, hint });
    };
    const checking = check(python, pause, { checkMachine });
    expect(await checking.run(LIVE)).to.equal(true);
    expect(seen).to.deep.equal(["Training does not work on this machine: torch cannot use it."]);
    expect(errors[0]).to.include({ problem: "torch cannot use it.", hint: "Load the driver." });
    expect(readiness.reasons()).to.deep.equal([]);
    expect(checking.device).to.equal("NVIDIA H200");
  });

  it("names the missing package once, and continues when it is installed", async () => {
    const python = join(folder, "python");
    const write = (script: string) => writeFileSync(python, script, { mode: 0o755 });
    write("#!/bin/sh\necho \"ModuleNotFoundError: No module named 'torch'\" >&2\nexit 1\n");
    let pauses = 0;
    const checking = check(python, () => {
      if (++pauses === 2) write("#!/bin/sh\nexit 0\n");
    });
    await checking.run(LIVE);
    await checking.requireWorking();
    expect(pauses).to.equal(2);
    expect(errors).to.have.length(1);
    expect(errors[0]!.problem).to.equal("ModuleNotFoundError: No module named 'torch'");
    expect(readiness.reasons()).to.deep.equal([]);
  });
});
