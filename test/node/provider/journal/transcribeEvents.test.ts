import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { systemClock } from "../../../../provider/clock.ts";
import { appendWarning } from "../../../../provider/journal/Journal.ts";
import { transcribeEnded, withTranscript } from "../../../../provider/journal/transcribeEvents.ts";

describe("the daemon's journal of a training run", () => {
  let root: string;
  let paths: { work: string; events: string; result: string };

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "anneal-transcript-"));
    paths = {
      work: join(root, "work"),
      events: join(root, "events.jsonl"),
      result: join(root, "result.json"),
    };
    mkdirSync(paths.work);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const tell = (text: string) => appendFileSync(join(paths.work, "events.jsonl"), text);
  const line = (seq: number, more: object = {}) =>
    `${JSON.stringify({ seq, type: "progress", ...more })}\n`;
  const kept = () =>
    readFileSync(paths.events, "utf8")
      .trimEnd()
      .split("\n")
      .map((text) => JSON.parse(text));
  const hasLine = () =>
    existsSync(paths.events) && readFileSync(paths.events, "utf8").endsWith("\n");
  const run = (training: () => Promise<unknown>) => withTranscript(paths, systemClock, training);

  it("has the events during the training run, numbered from 1, and its result at the end", async () => {
    await run(async () => {
      tell(line(7, { step: 1 }));
      while (!hasLine()) await sleep(5);
      expect(kept()).to.deep.equal([{ seq: 1, type: "progress", step: 1 }]);
      tell(line(8, { step: 2 }));
      writeFileSync(join(paths.work, "result.json"), '{"loss_after":0.5}');
    });
    expect(kept().map(({ seq, step }) => [seq, step])).to.deep.equal([
      [1, 1],
      [2, 2],
    ]);
    expect(JSON.parse(readFileSync(paths.result, "utf8"))).to.deep.equal({ loss_after: 0.5 });
  });

  it("has every event once after restarts, warnings of the daemon between them", async () => {
    await run(async () => tell(`${line(1)}${line(2)}{"seq":3,"ty`));
    await appendWarning(paths.events, "The tracker is away.");
    appendFileSync(paths.events, '{"seq":4,"torn'); // what a killed daemon leaves behind
    await run(async () => {
      truncateSync(join(paths.work, "events.jsonl"), (line(1) + line(2)).length);
      tell(line(3, { step: 3 }));
    });
    await run(async () => undefined);
    expect(kept().map(({ seq, type }) => [seq, type])).to.deep.equal([
      [1, "progress"],
      [2, "progress"],
      [3, "warning"],
      [4, "progress"],
    ]);
    expect(kept()[3]).to.include({ step: 3 });
  });

  it("does not have the result of an earlier attempt", async () => {
    await run(async () => writeFileSync(join(paths.work, "result.json"), "{}"));
    rmSync(join(paths.work, "result.json"));
    await run(async () => undefined);
    expect(existsSync(paths.result)).to.equal(false);
  });

  it("reads nothing through links and pipes, and does not wait for them", async () => {
    const others = join(root, "others.jsonl");
    writeFileSync(others, line(1, { secret: "another user's" }));
    symlinkSync(others, join(paths.work, "events.jsonl"));
    symlinkSync(others, join(paths.work, "result.json"));
    await run(async () => undefined);
    for (const name of ["events.jsonl", "result.json"]) {
      rmSync(join(paths.work, name));
      execFileSync("mkfifo", [join(paths.work, name)]);
    }
    await run(async () => undefined);
    expect(existsSync(paths.events)).to.equal(false);
    expect(existsSync(paths.result)).to.equal(false);
  });

  it("skips lines that are not events or are longer than any honest one", async () => {
    await run(async () => {
      tell(`nonsense\n[]\n{"seq":"1","type":"x"}\n${"[".repeat(60_000)}\n`);
      tell(`{"seq":1,"type":"progress","x":"${"x".repeat(1_000_000)}"}\n`);
      tell(line(2, { step: 5 }));
      tell("x".repeat(1_000_000)); // and an endless one
    });
    expect(kept()).to.deep.equal([{ seq: 1, type: "progress", step: 5 }]);
  });

  it("has texts in one line without control characters, finite numbers, and bounded members", async () => {
    await run(async () => {
      tell(
        `{"seq":1,"type":"warning","message":"a\\u001b[2J\\nTask settled\\u202e","by":"provider",` +
          `"big":1e999,"long":"${"x".repeat(5_000)}","deep":${'{"a":'.repeat(50)}1${"}".repeat(50)},` +
          `"__proto__":{"polluted":true}}\n`,
      );
    });
    const [event] = kept();
    expect(event).to.include({ message: "a [2J Task settled ", big: null });
    expect(event).not.to.have.property("by");
    expect(event.long).to.have.length(2_000);
    expect(JSON.stringify(event.deep)).to.have.length.below(50);
    expect({}).not.to.have.property("polluted");
  });

  it("ends at a sparse file of apparently endless size, and says so", async () => {
    tell("");
    truncateSync(join(paths.work, "events.jsonl"), 2 ** 40);
    await transcribeEnded(paths);
    expect(kept()).to.have.length(1);
    expect(kept()[0]).to.include({ type: "warning", by: "provider" });
    expect(kept()[0].message).to.match(/more events than the provider keeps/);
  });

  it("is complete even if it could not be written for a while", async () => {
    await run(async () => {
      mkdirSync(paths.events); // writing fails
      tell(line(1, { step: 1 }));
      await sleep(20);
      rmSync(paths.events, { recursive: true });
      tell(line(2, { step: 2 }));
    });
    expect(kept().map(({ step }) => step)).to.deep.equal([1, 2]);
  });
});
