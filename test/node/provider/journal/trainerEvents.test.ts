import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { systemClock } from "../../../../provider/clock.ts";
import { renderEvent } from "../../../../provider/journal/renderLog.ts";
import { findLast, readLines } from "../../../../provider/journal/trainerEvents.ts";

const line = (seq: number, type = "progress") => `${JSON.stringify({ seq, type, step: seq })}\n`;

describe("journal of a training run", () => {
  let directory: string;
  let path: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "anneal-events-"));
    path = join(directory, "events.jsonl");
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const all = async (lines: AsyncIterable<string>) => {
    const found: string[] = [];
    for await (const text of lines) found.push(text);
    return found;
  };

  it("is empty before the trainer has written", async () => {
    expect(await all(readLines(path))).to.deep.equal([]);
    expect(await findLast(path, "progress")).to.equal(null);
  });

  it("skips an incomplete line, and has the one written in its place", async () => {
    writeFileSync(path, `${line(1)}{"seq":2,"ty`);
    let over = false;
    const found: string[] = [];
    const follow = {
      hasEnded: () => over,
      clock: systemClock,
      signal: new AbortController().signal,
    };
    for await (const text of readLines(path, follow)) {
      found.push(JSON.parse(text).seq);
      if (found.length === 1) {
        truncateSync(path, line(1).length); // what the trainer does after a restart
        appendFileSync(path, line(2) + line(3));
        over = true;
      }
    }
    expect(found).to.deep.equal([1, 2, 3]);
  });

  it("finds the newest event of a type in a long journal", async () => {
    const lines = Array.from({ length: 5_000 }, (_, index) => line(index + 1));
    writeFileSync(path, lines.join("") + line(5_001, "checkpoint"));
    expect((await findLast(path, "progress"))?.seq).to.equal(5_000);
  });

  it("ends when the reader disconnects", async () => {
    writeFileSync(path, line(1));
    const stop = new AbortController();
    const follow = { hasEnded: () => false, clock: systemClock, signal: stop.signal };
    const reading = all(readLines(path, follow));
    stop.abort();
    expect(await reading).to.have.length(1);
  });
});

describe("renderEvent", () => {
  const uuid = "beb6f0d8-4660-4c62-988d-00246ce913d2";

  it("writes the lines of 0G's log", () => {
    expect(
      renderEvent({ seq: 1, type: "progress", step: 0, loss: 1.23, accuracy: 0.5, lr: 1 }, uuid),
    ).to.equal("Step: 0, Logs: {'loss': 1.23, 'accuracy': 0.5}");
    expect(renderEvent({ seq: 2, type: "done" }, uuid)).to.equal(
      `Training model for task ${uuid} completed successfully`,
    );
  });

  it("reports what went wrong and what to do", () => {
    const event = { seq: 1, type: "error", message: "The row is empty.", hint: "Fill it." };
    expect(renderEvent(event, uuid)).to.equal("Error: The row is empty. Fill it.");
  });

  it("ignores unknown events", () => {
    expect(renderEvent({ seq: 1, type: "tomorrow" }, uuid)).to.equal(null);
  });
});
