import { spawn } from "node:child_process";
import { expect } from "chai";
import { describe, it } from "mocha";
import pino from "pino";
import { systemClock } from "../../../../provider/clock.ts";
import { childMark, stopOrphans } from "../../../../provider/processes/orphans.ts";
import { identify } from "../../../../provider/processes/processTable.ts";
import { eventually } from "../daemonProcess.ts";

const log = pino({ level: "silent" });
/** Starts a separate process, as trainers and uploads may. */
const WITH_CHILD = `
const { spawn } = require("node:child_process");
console.log(spawn("sleep", ["60"]).pid);
setInterval(() => {}, 1000);
`;

describe("processes of an earlier daemon", () => {
  const start = async (directory: string) => {
    const process_ = spawn(process.execPath, ["-e", WITH_CHILD], {
      env: childMark(directory),
      stdio: ["ignore", "pipe", "ignore"],
      detached: true,
    });
    const child = await new Promise<number>((resolve) =>
      process_.stdout!.once("data", (text) => resolve(Number(text))),
    );
    return { pid: process_.pid!, child };
  };

  it("are ended at the next start, whatever they are, with all their children", async () => {
    const { pid, child } = await start("/state/one");
    await stopOrphans(childMark("/state/one"), systemClock, log);
    await eventually("the end of both", () => identify(pid) === null && identify(child) === null);
  });

  it("are those of this PROVIDER_DIR alone", async () => {
    const other = await start("/state/another");
    await stopOrphans(childMark("/state/one"), systemClock, log);
    expect(identify(other.pid)).not.to.equal(null);
    await stopOrphans(childMark("/state/another"), systemClock, log);
    expect(identify(other.pid)).to.equal(null);
  });
});
