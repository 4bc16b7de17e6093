import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import pino from "pino";
import { systemClock } from "../../../../provider/clock.ts";
import { Readiness } from "../../../../provider/Readiness.ts";
import { LocalTrainer } from "../../../../provider/training/LocalTrainer.ts";
import { MachineHealth } from "../../../../provider/training/MachineHealth.ts";
import { probeTrainer } from "../../../../provider/training/probe.ts";
import { hasSandbox } from "../../../../provider/training/sandbox.ts";
import { writeSystemCallFilter } from "../../../../provider/training/systemCalls.ts";

const ROOT = join(import.meta.dirname, "../../../..");
const log = pino({ level: "silent" });
const never = new AbortController().signal;

describe("probe of the machine", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "anneal-probe-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const probe = (python: string) => {
    const filter = join(directory, "system-calls.bpf");
    writeSystemCallFilter(filter);
    const program = {
      python,
      packageDirectory: join(ROOT, "provider/trainer"),
      environment: { PATH: process.env.PATH!, HF_HUB_OFFLINE: "1", OMP_NUM_THREADS: "1" },
      sandbox: python.startsWith(ROOT) && hasSandbox() ? { maxFileBytes: 2 ** 30, filter } : null,
      counting: { memoryBytes: 2 ** 32, seconds: 60 },
    };
    const trainer = new LocalTrainer({ program, clock: systemClock, log });
    return probeTrainer(trainer, program, join(directory, "probe"), never);
  };

  it("trains a tiny model like a task, repeatedly", async () => {
    const python = join(ROOT, ".venv/bin/python");
    expect(await probe(python)).to.equal(true);
    expect(await probe(python)).to.equal(true);
  });

  it("considers a machine broken if trainers die, once for all callers, and healthy again if one does not", async () => {
    const python = join(directory, "dying-python");
    const says = (code: number) =>
      writeFileSync(python, `#!/bin/sh\nmkdir -p "$3/tiny-qwen2"\nexit ${code}\n`, { mode: 0o755 });
    writeFileSync(
      python,
      '#!/bin/sh\nif [ "$2" = anneal_trainer.tiny_models ]; then mkdir -p "$3/tiny-qwen2"; exit 0; fi\nexit 1\n',
      { mode: 0o755 },
    );
    const readiness = new Readiness();
    let probes = 0;
    const health = new MachineHealth({
      probe: () => {
        probes++;
        return probe(python);
      },
      ...{ readiness, clock: systemClock, log },
    });
    expect(await Promise.all([health.isHealthy(never), health.isHealthy(never)])).to.deep.equal([
      false,
      false,
    ]);
    expect(probes).to.equal(1);
    expect(health.isBroken).to.equal(true);
    expect(readiness.reasons().map(({ name }) => name)).to.deep.equal(["machine"]);
    says(0);
    expect(await health.isHealthy(never)).to.equal(true);
    expect(health.isBroken).to.equal(false);
    expect(readiness.reasons()).to.deep.equal([]);
  });

  it("accepts a successful training run as proof that the machine works", async () => {
    const readiness = new Readiness();
    const health = new MachineHealth({
      probe: async () => false,
      ...{ readiness, clock: systemClock, log },
    });
    await health.isHealthy(never);
    health.noteTrained();
    expect(health.isBroken).to.equal(false);
    expect(readiness.reasons()).to.deep.equal([]);
  });
});
