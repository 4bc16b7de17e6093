import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import pino from "pino";
import { type Clock, systemClock } from "../../../../provider/clock.ts";
import { TaskRefusedError } from "../../../../provider/errors.ts";
import { LocalTrainer } from "../../../../provider/training/LocalTrainer.ts";
import type { TaskId } from "../../../../sdk/ids.ts";
import { eventually } from "../daemonProcess.ts";

const ID = `0x${"11".repeat(16)}` as TaskId;

/** A stub for Python: prints its pid, then does what the job directory's name asks for. */
const STAND_IN = `#!/usr/bin/env node
const { writeFileSync } = require("node:fs");
const { spawn } = require("node:child_process");
const directory = process.argv.at(-1);
const child = directory.endsWith("with-child") ? spawn("sleep", ["60"]).pid : null;
const told = { args: process.argv.slice(2), env: process.env, pid: process.pid, child };
if (directory.endsWith("exit-3")) process.exitCode = 3;
else {
  setInterval(() => {}, 1000);
  let asked = 0;
  const listensFrom = directory.endsWith("stubborn") ? Infinity : directory.endsWith("late") ? 2 : 1;
  process.on("SIGTERM", () => ++asked >= listensFrom && process.exit(75));
}
writeFileSync(directory + "/told.json", JSON.stringify(told));
`;

describe("LocalTrainer", () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "anneal-trainer-"));
    writeFileSync(join(root, "python"), STAND_IN, { mode: 0o755 });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const trainer = (clock: Clock = systemClock, environment = {}) =>
    new LocalTrainer({
      program: {
        python: join(root, "python"),
        packageDirectory: "/package",
        environment: { PATH: process.env.PATH!, ...environment },
        sandbox: null,
        counting: { memoryBytes: 2 ** 32, seconds: 60 },
      },
      clock,
      log: pino({ level: "silent" }),
    });
  const makeJob = (name: string) => {
    mkdirSync(join(root, name));
    return join(root, name);
  };
  const told = (job: string) =>
    eventually(
      "the trainer",
      () =>
        existsSync(join(job, "told.json")) &&
        JSON.parse(readFileSync(join(job, "told.json"), "utf8")),
    );
  const never = new AbortController().signal;

  it("starts the trainer with the job directory and none of the daemon's environment", async () => {
    const job = makeJob("exit-3");
    process.env.ANNEAL_TEST_SECRET = "secret";
    const end = await trainer().train(ID, job, never);
    delete process.env.ANNEAL_TEST_SECRET;
    expect(end).to.deep.equal({ kind: "exit", code: 3 });
    const { args, env } = await told(job);
    expect(args).to.deep.equal(["-m", "anneal_trainer", "--job-dir", job]);
    expect(env).to.have.all.keys("PATH", "PYTHONPATH");
  });

  it("assigns different GPUs to concurrent training runs", async () => {
    const shared = trainer(systemClock, { CUDA_VISIBLE_DEVICES: "3,GPU-5e" });
    const card = async (name: string, signal: AbortSignal) => {
      const job = makeJob(name);
      const ended = shared.train(ID, job, signal);
      return { card: (await told(job)).env.CUDA_VISIBLE_DEVICES, ended };
    };
    const [first, others] = [new AbortController(), new AbortController()];
    const one = await card("one", first.signal);
    const two = await card("two", others.signal);
    first.abort();
    await one.ended;
    const three = await card("three", others.signal);
    others.abort();
    await Promise.all([two.ended, three.ended]);
    expect([one.card, two.card, three.card]).to.deep.equal(["3", "GPU-5e", "3"]);
  });

  it("stops the trainer politely when asked to", async () => {
    const job = makeJob("polite");
    const stop = new AbortController();
    const ended = trainer().train(ID, job, stop.signal);
    await told(job);
    stop.abort();
    expect(await ended).to.deep.equal({ kind: "exit", code: 75 });
  });

  it("asks again, as a trainer that has just started does not handle the signal yet", async () => {
    const job = makeJob("late");
    const stop = new AbortController();
    const ended = trainer().train(ID, job, stop.signal);
    await told(job);
    stop.abort();
    expect(await ended).to.deep.equal({ kind: "exit", code: 75 });
  });

  it("kills a trainer that does not stop in time", async () => {
    const job = makeJob("stubborn");
    let now = 0;
    const clock: Clock = {
      now: () => now,
      sleep: async (milliseconds) => {
        now += milliseconds;
      },
    };
    const stop = new AbortController();
    const ended = trainer(clock).train(ID, job, stop.signal);
    await told(job);
    stop.abort();
    expect(await ended).to.deep.equal({ kind: "killed", signal: "SIGKILL" });
    expect(now).to.be.at.least(30_000);
  });

  it("kills a refused training run at once, as nothing has to be saved", async () => {
    const job = makeJob("stubborn");
    const stop = new AbortController();
    const ended = trainer().train(ID, job, stop.signal);
    await told(job);
    stop.abort(new TaskRefusedError("ConfigInvalid", "Too much.", "Write less."));
    expect(await ended).to.deep.equal({ kind: "killed", signal: "SIGKILL" });
  });

  it("never runs two trainers on one job directory", async () => {
    const job = makeJob("polite");
    const first = trainer().train(ID, job, never);
    const { pid } = await told(job);
    rmSync(join(job, "told.json"));
    const stop = new AbortController();
    const second = trainer().train(ID, job, stop.signal);
    expect((await told(job)).pid).not.to.equal(pid);
    expect(await first).to.deep.equal({ kind: "exit", code: 75 });
    stop.abort();
    await second;
  });

  it("asks torch whether it can use the GPUs, and not again for a while", async () => {
    const python = (body: string) =>
      writeFileSync(join(root, "python"), `#!/bin/sh\necho >> ${root}/asked\n${body}\n`);
    const asked = () => readFileSync(join(root, "asked"), "utf8").length;
    let now = 0;
    const clock: Clock = { now: () => now, sleep: async () => undefined };
    const shared = trainer(clock, { CUDA_VISIBLE_DEVICES: "0" });
    python("echo 'It has a card.' >&2; echo 'Load the driver.' >&2; exit 1");
    const error = await shared.checkMachine(never).catch((error) => error);
    expect(error).to.include({ retryable: true, hint: "Load the driver." });
    expect(error.message).to.equal("It has a card.");
    python(`echo '{"device": "NVIDIA H200"}'`);
    expect(await shared.checkMachine(never)).to.equal("NVIDIA H200");
    expect(await shared.checkMachine(never)).to.equal("NVIDIA H200");
    expect(asked()).to.equal(2);
    now += 3_600_000;
    await shared.checkMachine(never);
    expect(asked()).to.equal(3);
    const hidden = trainer(clock, { CUDA_VISIBLE_DEVICES: "" });
    expect(await hidden.checkMachine(never)).to.equal("CPU");
    expect(asked()).to.equal(3);
  });

  it("reports a missing interpreter", async () => {
    rmSync(join(root, "python"));
    const error = await trainer()
      .train(ID, makeJob("polite"), never)
      .then(
        () => null,
        (error: Error) => error,
      );
    expect(error?.message).to.include("ENOENT");
  });
});
