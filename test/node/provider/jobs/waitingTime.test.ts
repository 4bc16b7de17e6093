import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { estimateWait } from "../../../../provider/jobs/waitingTime.ts";
import { newJob } from "../../../../provider/machine/machine.ts";
import type { JobRecord } from "../../../../provider/store/Store.ts";
import { formatTaskId, type TaskId } from "../../../../sdk/ids.ts";

const ID = `0x${"4c".repeat(16)}` as TaskId;

describe("the wait for a slot", () => {
  it("is at most the duration of a training run, whatever the running one claims", async () => {
    const jobsDirectory = mkdtempSync(join(tmpdir(), "anneal-wait-"));
    mkdirSync(join(jobsDirectory, formatTaskId(ID)));
    const event = { seq: 1, type: "progress", seconds_left: 1e300 };
    writeFileSync(
      join(jobsDirectory, formatTaskId(ID), "events.jsonl"),
      `${JSON.stringify(event)}\n`,
    );
    const job = { ...newJob(), chain: "Accepted", work: "counted", slot: true, trainingTime: 600 };
    const running = { id: ID, job } as unknown as JobRecord;
    expect(await estimateWait({ slots: 1, jobsDirectory }, [running], 0)).to.equal(600);
    rmSync(jobsDirectory, { recursive: true });
  });
});
