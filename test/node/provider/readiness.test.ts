import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { DaemonFixture } from "./DaemonFixture.ts";

const NOT_READY = "no task is accepted: training does not work on this machine";

interface Reason {
  readonly name: string;
  readonly message: string;
  readonly hint: string;
}

/** Real daemons on machines that lack something that every job needs. */
describe("a provider daemon is not ready, and says what is missing", () => {
  let market: DaemonFixture;
  beforeEach(async () => {
    market = await DaemonFixture.open();
    mkdirSync(join(market.folder, "models"));
  });
  afterEach(() => market.close());

  const missing = async (python: string, variables: Record<string, string>) => {
    const daemon = market.startDaemon(python, variables);
    const { hint, problem } = await daemon.line(NOT_READY);
    const api = `http://127.0.0.1:${market.daemonVariables(python).PROVIDER_PORT}`;
    const answer = await fetch(`${api}/readyz`);
    expect(answer.status).to.equal(503);
    const { reasons } = (await answer.json()) as { reasons: Reason[] };
    const reason = reasons.find(({ name }) => name === "python")!;
    expect(reason).to.include({ hint });
    expect(reason.message).to.include(problem);
    expect(await (await fetch(`${api}/v1/queue`)).json()).to.include({ accepting: false });
    expect(daemon.lines.map(({ msg }) => msg)).not.to.include("ready");
    return reason;
  };

  it("with an interpreter without the trainer's packages", async () => {
    const python = join(market.folder, "python");
    writeFileSync(python, '#!/bin/sh\nexec python3 -S "$@"\n', { mode: 0o755 });
    const { message, hint } = await missing(python, {});
    expect(message).to.match(/ModuleNotFoundError: No module named '\w+'$/);
    expect(hint).to.include("setup.mjs").and.include("PYTHON");
  });

  it("with TRAINER=slurm and without Slurm's commands", async () => {
    const variables = { TRAINER: "slurm", PATH: market.folder };
    const { message, hint } = await missing(market.makeFastTrainer(), variables);
    expect(message).to.match(/Slurm's squeue is not installed, or not on PATH\.$/);
    expect(hint).to.include("slurm-client").and.include("TRAINER=local");
  });

  it("with a cluster whose controller does not answer", async () => {
    const commands = { squeue: "exit 0", scancel: "exit 0", scontrol: "echo DOWN >&2; exit 1" };
    for (const [name, does] of Object.entries(commands))
      writeFileSync(join(market.folder, name), `#!/bin/sh\n${does}\n`, { mode: 0o755 });
    const variables = { TRAINER: "slurm", PATH: market.folder };
    const { message, hint } = await missing(market.makeFastTrainer(), variables);
    expect(message).to.match(/Slurm's scontrol failed: DOWN$/);
    expect(hint).to.include("sinfo");
  });
});
