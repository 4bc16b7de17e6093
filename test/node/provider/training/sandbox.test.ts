import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { after, before, describe, it } from "mocha";
import pino from "pino";
import { systemClock } from "../../../../provider/clock.ts";
import { TaskRefusedError } from "../../../../provider/errors.ts";
import { findByArguments } from "../../../../provider/processes/processTable.ts";
import { checkDevice } from "../../../../provider/training/checkDevice.ts";
import { deletedUsage } from "../../../../provider/training/deletedFiles.ts";
import { LocalTrainer } from "../../../../provider/training/LocalTrainer.ts";
import {
  confine,
  hasSandbox,
  interpreterDirectories,
  type Sandbox,
  SCRATCH_BYTES,
} from "../../../../provider/training/sandbox.ts";
import {
  systemCallFilter,
  writeSystemCallFilter,
} from "../../../../provider/training/systemCalls.ts";
import { trainerArguments } from "../../../../provider/training/trainerCommand.ts";
import { withinQuota } from "../../../../provider/training/withinQuota.ts";
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

/** Python that calls the C library: `call` returns the error's name, or the call's result. */
const LIBC = `
import ctypes, errno, platform
libc = ctypes.CDLL(None, use_errno=True)
CLONE = 56 if platform.machine() == "x86_64" else 220
def call(name, *arguments):
    result = getattr(libc, name)(*arguments)
    return result if result >= 0 else errno.errorcode[ctypes.get_errno()]`;

describe("the sandbox", () => {
  let folder: string;

  before(function () {
    if (!hasSandbox()) {
      skip(this, NO_SANDBOX);
    }
    folder = mkdtempSync(join(tmpdir(), "anneal-sandbox-"));
    mkdirSync(join(folder, "job/data"), { recursive: true });
    writeFileSync(join(folder, "secret"), "secret");
    writeSystemCallFilter(filter());
  });
  const filter = () => join(folder, "system-calls.bpf");
  after(() => folder && rmSync(folder, { recursive: true }));

  /** Runs Python inside, and returns how it ended. */
  const attempt = (line: string) => {
    const [command, ...args] = confine([PYTHON, "-c", line], {
      readable: [...interpreterDirectories(PYTHON), join(folder, "job/data")],
      writable: [join(folder, "job")],
      workingDirectory: join(folder, "job"),
      maxFileBytes: 100_000,
      filter: filter(),
    });
    const { stdout, stderr } = spawnSync(command!, args, { encoding: "utf8", env: ENVIRONMENT });
    return stderr.trim().split("\n").at(-1) || stdout.trim();
  };

  it("allows a program to work in its folder", () => {
    expect(attempt("open('x', 'w').write('done'); print(open('x').read())")).to.equal("done");
    expect(readFileSync(join(folder, "job/x"), "utf8")).to.equal("done");
  });

  it("hides every file that is not listed", () => {
    expect(attempt(`open('${folder}/secret')`)).to.match(/^FileNotFoundError/);
    expect(attempt("import os; print(os.path.exists('/etc/passwd'), os.listdir('/tmp'))")).to.match(
      /^False/,
    );
  });

  it("mounts inputs and programs read-only", () => {
    expect(attempt("open('data/x', 'w')")).to.match(/Read-only file system/);
    expect(attempt(`open('${interpreterDirectories(PYTHON)[0]}/x', 'w')`)).to.match(/Read-only/);
    expect(attempt("open('/usr/x', 'w')")).to.match(/Read-only/);
  });

  it("has no network, not even loopback", async () => {
    const server = createServer((_, response) => response.end("reached")).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const answer = attempt(
      `import urllib.request as u; print(u.urlopen('http://127.0.0.1:${port}'))`,
    );
    server.close();
    expect(answer).to.match(/URLError/);
  });

  it("shows no other processes, and grants no privilege", () => {
    expect(attempt(`import os; os.kill(${process.pid}, 9)`)).to.match(/^ProcessLookupError/);
    expect(attempt("import os; os.chroot('data')")).to.match(/^PermissionError/);
  });

  it("allows no namespace, in which there would be privileges again", () => {
    const flags = { mounts: 0x20000, user: 0x10000000, processes: 0x20000000, time: 0x80 };
    for (const [name, flag] of Object.entries(flags)) {
      expect(attempt(`${LIBC}\nprint(call('unshare', ${flag}))`), name).to.equal("EPERM");
      if (name === "time") continue;
      const clone = `${LIBC}\nprint(call('syscall', CLONE, ${flag} | 17, 0, 0, 0, 0))`;
      expect(attempt(clone), name).to.equal("EPERM");
    }
    expect(attempt(`${LIBC}\nprint(call('syscall', 435, 0, 0))`), "clone3").to.equal("ENOSYS");
  });

  it("allows no user namespace, even without the filter", function () {
    const command = confine(["unshare", "--user", "true"], {
      ...{ readable: [], writable: [], workingDirectory: "/" },
      ...{ maxFileBytes: 100_000, filter: filter() },
    });
    if (!command.includes("--disable-userns")) {
      console.log("      SKIPPED: this bubblewrap has no --disable-userns.");
      this.skip();
    }
    const at = command.indexOf("--seccomp");
    const [program, ...args] = command.toSpliced(at, 2);
    const { status, stderr } = spawnSync(program!, args, { encoding: "utf8", env: ENVIRONMENT });
    expect(status).to.equal(1);
    expect(stderr).to.match(/unshare failed: No space left on device/);
  });

  it("denies the system calls that no training run needs", () => {
    const calls = {
      mount: "call('mount', b'none', b'/tmp', b'tmpfs', 0, None)",
      "a look into another process": "call('ptrace', 16, 1, None, None)",
      io_uring: "call('syscall', 425, 1, None)",
      "a second set of calls": "call('syscall', 0x40000000 | 39)",
      "typing into the terminal": "call('ioctl', 0, 0x5412, b'x')",
      "the same with other upper bits": "call('ioctl', 0, ctypes.c_ulong(0x1_0000_5412), b'x')",
      "a socket to the hypervisor": "call('socket', 40, 1, 0)",
      "a socket to the kernel's ciphers": "call('socket', 38, 5, 0)",
    };
    for (const [name, line] of Object.entries(calls)) {
      const told = attempt(`${LIBC}\nprint(${line})`);
      expect(told, name).to.match(/^(EPERM|ENOSYS|EAFNOSUPPORT)$/);
    }
  });

  it("has the same rules for arm64: a program of whole instructions whose jumps stay inside", () => {
    const decide = loadFilter(systemCallFilter());
    const [arm, allow, denied, unknown] = [0xc00000b7, "7fff0000", "50001", "50026"];
    expect(decide(arm, 64), "write").to.equal(allow);
    expect(decide(arm, 40), "mount").to.equal(denied);
    expect(decide(arm, 97, 0x10000000), "unshare").to.equal(denied);
    expect(decide(arm, 220, 17), "fork").to.equal(allow);
    expect(decide(arm, 220, 0x10000011), "clone").to.equal(denied);
    expect(decide(arm, 435), "clone3").to.equal(unknown);
    expect(decide(arm, 157), "setsid").to.equal("50000");
    expect(decide(arm, 154), "setpgid").to.equal("50000");
    expect(decide(arm, 167, 1), "prctl(PR_SET_PDEATHSIG)").to.equal("50000");
    expect(decide(arm, 167, 15), "prctl(PR_SET_NAME)").to.equal(allow);
    expect(decide(arm, 198, 1), "AF_UNIX").to.equal(allow);
    expect(decide(arm, 198, 40), "AF_VSOCK").to.equal("50061");
    expect(decide(0x40000003, 20), "32 bits").to.equal("80000000");
  });

  it("discloses nothing of the machine's network cards, disks and boot", () => {
    expect(attempt("import os; print(os.path.exists('/sys/class/net'))")).to.equal("False");
    const addresses = `
import pathlib
print([str(p) for p in pathlib.Path('/sys').rglob('address')])`;
    expect(attempt(addresses)).to.equal("[]");
    expect(attempt("open('/proc/cmdline').read()")).to.match(/^PermissionError/);
    expect(attempt("import os; print(os.getuid(), os.uname().nodename)")).to.equal("65534 sandbox");
  });

  it("limits in-memory files, and offers no other place for them", () => {
    for (const path of ["/x", "/dev/x", "/var/x"])
      expect(attempt(`open('${path}', 'w')`), path).to.match(/Read-only|FileNotFoundError/);
    const sizes = `
import os
size = lambda path: (lambda s: s.f_blocks * s.f_frsize)(os.statvfs(path))
print(size('/tmp'), size('/dev/shm'))`;
    expect(attempt(sizes)).to.equal(`${SCRATCH_BYTES} ${SCRATCH_BYTES}`);
  });

  it("runs torch with data loader workers", () => {
    const line = `
import torch
from torch.utils.data import DataLoader
rows = [(torch.ones(4) * n, torch.ones(1)) for n in range(8)]
model = torch.nn.Linear(4, 1)
for x, y in DataLoader(rows, 4, num_workers=2):
    (model(x) - y).square().mean().backward()
print(bool(model.weight.grad.abs().sum() > 0))`;
    expect(attempt(line)).to.equal("True");
  });

  it("reports which device torch uses inside", async () => {
    const program = {
      ...{ python: PYTHON, packageDirectory: PACKAGE, environment: ENVIRONMENT },
      ...{ sandbox: { maxFileBytes: 100_000, filter: filter() } },
      counting: { memoryBytes: 2 ** 32, seconds: 60 },
    };
    await checkDevice(program, new AbortController().signal);
  });

  it("stops a file that grows without limit", () => {
    expect(attempt("open('big', 'wb').write(b'0' * 1_000_000)")).to.match(/File too large/);
    expect(existsSync(join(folder, "job/big"))).to.equal(true);
    expect(readFileSync(join(folder, "job/big"))).to.have.length.at.most(100_000);
  });

  it("counts files that are deleted while open against the quota", async () => {
    const job = join(folder, "job");
    const holding = (line: string) => {
      const code = `import os, mmap, sys, time
file = open('${job}/scratch', 'w+b')
file.write(b'1' * 90_000); file.flush(); os.remove(file.name)
${line}
print('there', flush=True)
time.sleep(600)`;
      // Its arguments are a trainer's, by which it is found.
      const script = ["-c", code, ...trainerArguments(job)];
      const [command, ...args] = confine([PYTHON, ...script], {
        ...{ readable: interpreterDirectories(PYTHON), writable: [job], workingDirectory: job },
        ...{ maxFileBytes: 100_000, filter: filter(), diesWithParent: true },
      });
      return spawn(command!, args, { env: ENVIRONMENT, stdio: ["ignore", "pipe", "inherit"] });
    };
    const usageWhile = async (line: string) => {
      const child = holding(line);
      await once(child.stdout!, "data");
      const usage = deletedUsage(job);
      child.kill("SIGKILL");
      await once(child, "close");
      return usage;
    };
    expect(await usageWhile("")).to.be.within(90_000, 100_000);
    const map = "memory = mmap.mmap(file.fileno(), 0); file.close()";
    expect(await usageWhile(map)).to.be.within(90_000, 100_000);
    expect(await usageWhile("file.close()")).to.equal(0);
    if (process.getuid!() !== 0) {
      const hide = "import ctypes; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)";
      expect(await usageWhile(hide)).to.equal(Number.POSITIVE_INFINITY);
    }
  });

  it("ends a training run that fills the disk with deleted files", async () => {
    const job = join(folder, "hoarder");
    const python = join(folder, "hostile/bin/python");
    for (const path of [join(job, "work"), join(folder, "hostile/bin")])
      mkdirSync(path, { recursive: true });
    const lines = ["exec 3>scratch", "rm scratch", "head -c 60000000 /dev/zero >&3", "sleep 600"];
    writeFileSync(python, ["#!/bin/sh", ...lines, ""].join("\n"), { mode: 0o755 });
    const hostile = trainer({ maxFileBytes: 2 ** 30, filter: filter() }, python);
    const impatient = { ...systemClock, sleep: () => systemClock.sleep(20, never) };
    const quota = { directory: job, inputs: [], maxBytes: 50_000_000, clock: impatient };
    const end = withinQuota(quota, (signal) => hostile.train(ID, job, signal), never);
    expect(await end.catch((error) => error)).to.include({ reason: "ConfigInvalid" });
    await eventually("the end of it", () => findByArguments(trainerArguments(job)).length === 0);
  });

  it("keeps every process in the group that is ended, and all end with bubblewrap", async () => {
    const leave = `${LIBC}
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
call("setsid"); call("setpgid", 0, 0); call("prctl", 1, 0, 0, 0, 0)
open("${join(folder, "job/left")}", "w").write("ready")
time.sleep(6000)`;
    const run = (diesWithParent: boolean) => {
      const [command, ...args] = confine(["/usr/bin/python3", "-c", leave], {
        ...{ readable: [], writable: [join(folder, "job")], workingDirectory: "/" },
        ...{ maxFileBytes: 100_000, filter: filter(), diesWithParent },
      });
      return spawn(command!, args, { detached: true, stdio: "ignore" });
    };
    for (const diesWithParent of [false, true]) {
      rmSync(join(folder, "job/left"), { force: true });
      const child = run(diesWithParent);
      await eventually("the program", () => existsSync(join(folder, "job/left")));
      // Counting is ended by its first process alone, a training run by its process group.
      process.kill(diesWithParent ? child.pid! : -child.pid!, "SIGKILL");
      const left = () => findByArguments(["-c", leave]);
      await eventually("the end of all of it", () => left().length === 0);
    }
  });

  it("is killed with all its processes if its training run is refused", async () => {
    const jobs = new TrainingFolder();
    try {
      const job = jobs.job("refused", { epochs: 20 });
      const stop = new AbortController();
      const sandbox = { maxFileBytes: 2 ** 30, filter: filter() };
      const ended = trainer(sandbox).train(ID, job, stop.signal);
      await eventually("step 1", () => eventsOf(job).some(({ step }) => step === 1));
      stop.abort(new TaskRefusedError("ConfigInvalid", "Too much.", "Write less."));
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
      const free = jobs.job("free", { epochs: 20 });
      const confined = jobs.job("confined", { epochs: 20 });
      expect(await trainer(null).train(ID, free, never)).to.deep.equal({ kind: "exit", code: 0 });

      const sandbox = { maxFileBytes: 2 ** 30, filter: filter() };
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

  it("trains on two devices without a network: SIGTERM stops both, and both continue", async () => {
    const jobs = new TrainingFolder();
    try {
      const job = jobs.job("two", { epochs: 20, devices: 2 });
      const sandbox = { maxFileBytes: 2 ** 30, filter: filter() };
      const stop = new AbortController();
      const first = trainer(sandbox).train(ID, job, stop.signal);
      await eventually("step 2", () => eventsOf(job).some(({ step }) => step === 2));
      stop.abort();
      expect(await first).to.deep.equal({ kind: "exit", code: 75 });
      expect(findByArguments(trainerArguments(job))).to.deep.equal([]);
      const second = await trainer(sandbox).train(ID, job, never);
      expect(second).to.deep.equal({ kind: "exit", code: 0 });
      expect(eventsOf(job).filter(({ type }) => type === "started")).to.have.length(2);
    } finally {
      jobs.remove();
    }
  });
});

const never = new AbortController().signal;

function trainer(sandbox: Sandbox | null, python = PYTHON): LocalTrainer {
  return new LocalTrainer({
    program: {
      ...{ python, packageDirectory: PACKAGE, environment: ENVIRONMENT, sandbox },
      counting: { memoryBytes: 2 ** 32, seconds: 60 },
    },
    clock: systemClock,
    log: pino({ level: "silent" }),
  });
}

/** Interprets a classic BPF program that filters system calls: jumps, loads and returns. */
function loadFilter(bytes: Buffer): (arch: number, number: number, argument?: number) => string {
  const instructions = Array.from({ length: bytes.length / 8 }, (_, n) => ({
    code: bytes.readUInt16LE(8 * n),
    jumps: [bytes.readUInt8(8 * n + 2), bytes.readUInt8(8 * n + 3)],
    constant: bytes.readUInt32LE(8 * n + 4),
  }));
  return (arch, number, argument = 0) => {
    const data = new Map([
      [0, number],
      [4, arch],
      [16, argument],
      [24, argument],
    ]);
    let loaded = 0;
    for (let at = 0; ; at++) {
      const { code, jumps, constant } = instructions[at]!;
      if (code === 0x06) return constant.toString(16);
      if (code === 0x20) loaded = data.get(constant)!;
      else if (code === 0x05) at += constant;
      else at += jumps[isTrue(code, loaded, constant) ? 0 : 1]!;
    }
  };
}

function isTrue(code: number, loaded: number, constant: number): boolean {
  if (code === 0x15) return loaded === constant;
  return code === 0x35 ? loaded >= constant : (loaded & constant) !== 0;
}
