import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import pino from "pino";
import { systemClock } from "../../../../provider/clock.ts";
import { TaskRefused } from "../../../../provider/errors.ts";
import { LocalTrainer } from "../../../../provider/training/LocalTrainer.ts";
import {
  findByArguments,
  type ProcessIdentity,
} from "../../../../provider/training/processTable.ts";
import {
  confine,
  hasSandbox,
  interpreterDirectories,
} from "../../../../provider/training/sandbox.ts";
import { trainerArguments } from "../../../../provider/training/trainerCommand.ts";
import type { TaskId } from "../../../../sdk/ids.ts";
import { NO_SANDBOX, skip } from "../../../helpers/skip.ts";
import { eventually } from "../daemonProcess.ts";
import {
  ENVIRONMENT,
  eventsOf,
  ID,
  PACKAGE,
  PYTHON,
  TrainingFolder,
  weightsOf,
} from "./trainingJob.ts";

describe("the sandbox", () => {
  let folder: string;

  before(function () {
    if (!hasSandbox()) {
      skip(this, NO_SANDBOX);
    }
    folder = mkdtempSync(join(tmpdir(), "anneal-sandbox-"));
    mkdirSync(join(folder, "job/data"), { recursive: true });
    writeFileSync(join(folder, "secret"), "secret");
  });
  after(() => folder && rmSync(folder, { recursive: true }));

  /** Runs a line of Python inside, and tells how it ended. */
  const attempt = (line: string) => {
    const [command, ...args] = confine([PYTHON, "-c", line], {
      readable: [...interpreterDirectories(PYTHON), join(folder, "job/data")],
      writable: [join(folder, "job")],
      workingDirectory: join(folder, "job"),
      maxFileBytes: 100_000,
    });
    const { stdout, stderr } = spawnSync(command!, args, { encoding: "utf8", env: ENVIRONMENT });
    return stderr.trim().split("\n").at(-1) || stdout.trim();
  };

  it("lets a program work in its folder", () => {
    expect(attempt("open('x', 'w').write('done'); print(open('x').read())")).to.equal("done");
    expect(readFileSync(join(folder, "job/x"), "utf8")).to.equal("done");
  });

  it("hides every file that is not named", () => {
    expect(attempt(`open('${folder}/secret')`)).to.match(/^FileNotFoundError/);
    expect(attempt("import os; print(os.path.exists('/etc/passwd'), os.listdir('/tmp'))")).to.match(
      /^False/,
    );
  });

  it("keeps inputs and programs as they are", () => {
    expect(attempt("open('data/x', 'w')")).to.match(/Read-only file system/);
    expect(attempt(`open('${interpreterDirectories(PYTHON)[0]}/x', 'w')`)).to.match(/Read-only/);
    expect(attempt("open('/usr/x', 'w')")).to.match(/Read-only/);
  });

  it("has no network, not even this machine's", async () => {
    const server = createServer((_, response) => response.end("reached")).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const answer = attempt(
      `import urllib.request as u; print(u.urlopen('http://127.0.0.1:${port}'))`,
    );
    server.close();
    expect(answer).to.match(/URLError/);
  });

  it("sees no process but its own, and has no privilege", () => {
    expect(attempt(`import os; os.kill(${process.pid}, 9)`)).to.match(/^ProcessLookupError/);
    expect(attempt("import os; os.chroot('data')")).to.match(/^PermissionError/);
  });

  it("stops a file that grows without end", () => {
    expect(attempt("open('big', 'wb').write(b'0' * 1_000_000)")).to.match(/File too large/);
    expect(existsSync(join(folder, "job/big"))).to.equal(true);
    expect(readFileSync(join(folder, "job/big"))).to.have.length.at.most(100_000);
  });

  it("is killed with all that runs in it when its training is refused", async () => {
    const jobs = new TrainingFolder();
    try {
      const job = jobs.job("refused", { epochs: 20 });
      const stop = new AbortController();
      const ended = trainer({ maxFileBytes: 2 ** 30 }).train(ID, job, stop.signal);
      await eventually("step 1", () => eventsOf(job).some(({ step }) => step === 1));
      stop.abort(new TaskRefused("ConfigInvalid", "Too much.", "Write less."));
      expect(await ended).to.deep.equal({ kind: "killed", signal: "SIGKILL" });
      const left = () => findByArguments(trainerArguments(job));
      await eventually("the end of the trainer", () => left().length === 0);
    } finally {
      jobs.remove();
    }
  });

  it("trains as without it: SIGTERM saves, and the weights are the same", async () => {
    const jobs = new TrainingFolder();
    try {
      const free = jobs.job("free", { epochs: 3 });
      const confined = jobs.job("confined", { epochs: 3 });
      const never = new AbortController().signal;
      expect(await trainer(null).train(ID, free, never)).to.deep.equal({ kind: "exit", code: 0 });

      const sandbox = { maxFileBytes: 2 ** 30 };
      const stop = new AbortController();
      const first = trainer(sandbox).train(ID, confined, stop.signal);
      await eventually("step 2", () => eventsOf(confined).some(({ step }) => step === 2));
      stop.abort();
      expect(await first).to.deep.equal({ kind: "exit", code: 75 });
      const second = await trainer(sandbox).train(ID, confined, never);
      expect(second).to.deep.equal({ kind: "exit", code: 0 });
      expect(weightsOf(confined)).to.equal(weightsOf(free));
    } finally {
      jobs.remove();
    }
  });
});

function trainer(sandbox: { maxFileBytes: number } | null): LocalTrainer {
  const recorded = new Map<TaskId, ProcessIdentity>();
  return new LocalTrainer({
    program: { python: PYTHON, packageDirectory: PACKAGE, environment: ENVIRONMENT, sandbox },
    clock: systemClock,
    log: pino({ level: "silent" }),
    processes: {
      put: (id, process) => void recorded.set(id, process),
      remove: (id) => void recorded.delete(id),
      all: () => [...recorded].map(([id, process]) => ({ id, process })),
    },
  });
}
