import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { ProviderError } from "../../../../provider/errors.ts";
import { appendWarning } from "../../../../provider/journal/Journal.ts";
import { fetchFromHub, uploadToHub } from "../../../../provider/online/hub.ts";
import { OnlineRefusedError } from "../../../../provider/online/runOnline.ts";
import { trackTraining } from "../../../../provider/online/trackTraining.ts";

const SECRET = "hf_secret";

/** A stub for Python: records its arguments, then does what the file `behaviour.js` says. */
const STAND_IN = `#!/usr/bin/env node
const { readFileSync, writeFileSync } = require("node:fs");
const here = __dirname;
let input = "";
process.stdin.on("data", (part) => { input += part; });
const tell = () => writeFileSync(here + "/told.json",
  JSON.stringify({ args: process.argv.slice(2), env: process.env, input }));
eval(readFileSync(here + "/behaviour.js", "utf8"));
`;

describe("online access for a training run", () => {
  let root: string;
  const never = new AbortController().signal;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "anneal-online-"));
    writeFileSync(join(root, "python"), STAND_IN, { mode: 0o755 });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const online = () => ({ python: join(root, "python"), environment: { PATH: process.env.PATH! } });
  const behave = (script: string) => writeFileSync(join(root, "behaviour.js"), script);
  const told = () => JSON.parse(readFileSync(join(root, "told.json"), "utf8"));
  const upload = () =>
    uploadToHub(
      online(),
      { directory: "/out", repository: "me/tuned", message: "Task 7" },
      SECRET,
      never,
    );
  const failure = () =>
    upload().then(
      () => expect.fail("did not fail"),
      (error: ProviderError) => error,
    );

  it("gets a token on its standard input, and not where other processes can read it", async () => {
    behave(
      `process.stdin.on("end", () => { tell(); console.log('{"url":"https://hub/me/tuned"}'); })`,
    );
    expect(await upload()).to.equal("https://hub/me/tuned");
    const { args, env, input } = told();
    expect(JSON.parse(input)).to.deep.equal({ hf_api_token: SECRET });
    expect(JSON.stringify([args, env])).not.to.include(SECRET);
    expect(args).to.include.members(["anneal_online.hub", "upload", "me/tuned", "Task 7"]);
  });

  it("passes repository, revision and the maximum size when it fetches", async () => {
    behave(`process.stdin.on("end", () => { tell(); console.log('{"commit":"abc"}'); })`);
    const model = { repository: "a/b", revision: "v1" };
    const commit = await fetchFromHub(online(), model, { target: "/m", maxBytes: 7 }, never);
    expect(commit).to.equal("abc");
    expect(told().args.join(" ")).to.include(
      "--repository a/b --to /m --max-bytes 7 --revision v1",
    );
    expect(JSON.parse(told().input)).to.deep.equal({});
  });

  it("distinguishes permanent from temporary failures, with its own messages", async () => {
    behave(`console.error("noise\\nIt is gone.\\nName another."); process.exitCode = 2`);
    const never = await failure();
    expect(never).to.be.instanceOf(OnlineRefusedError);
    expect(never).to.include({ message: "It is gone.", hint: "Name another.", retryable: false });
    behave(`console.error("No answer.\\nTry later."); process.exitCode = 1`);
    expect(await failure()).to.include({ message: "No answer.", retryable: true });
    behave(`process.kill(process.pid, "SIGKILL")`);
    expect(await failure()).to.include({ retryable: true });
  });

  it("is killed when the daemon stops", async () => {
    behave("tell(); setInterval(() => {}, 1000)");
    const stop = new AbortController();
    const fetched = fetchFromHub(
      online(),
      { repository: "a" },
      { target: "/m", maxBytes: 1 },
      stop.signal,
    );
    setTimeout(() => stop.abort(), 50);
    const error = await fetched.catch((error) => error);
    expect(error.name).to.equal("AbortError");
  });

  describe("tracker", () => {
    const run = {
      events: "/events.jsonl",
      id: "task",
      project: "sums",
      name: undefined,
      baseUrl: undefined,
      offline: "/offline",
    };
    const follow = `
      process.stdin.once("data", () => console.log('{"status":"online","warning":null}'));
      process.stdin.on("end", () => { tell(); console.log('{"status":"online","warning":END}'); });`;

    it("starts before the training run, and ends after it", async () => {
      behave(follow.replace("END", "null"));
      const tracking = await trackTraining(online(), run, SECRET);
      expect(tracking.warning).to.equal(null);
      expect(existsSync(join(root, "told.json"))).to.equal(false);
      expect(await tracking.end()).to.equal(null);
      const { args, env, input } = told();
      expect(args).to.deep.equal([
        ..."-m anneal_online.track --events /events.jsonl --run task --offline /offline".split(" "),
        "--project=sums",
      ]);
      expect(JSON.parse(input)).to.deep.equal({ wandb_api_key: SECRET });
      expect(JSON.stringify([args, env])).not.to.include(SECRET);
    });

    it("reports what went wrong at the start and at the end", async () => {
      behave(
        follow
          .replace('"warning":null', '"warning":"The key is wrong."')
          .replace("END", '"Still."'),
      );
      const tracking = await trackTraining(online(), run, SECRET);
      expect(tracking.warning).to.equal("The key is wrong.");
      expect(await tracking.end()).to.equal("Still.");
    });

    it("never ends a training run: a crash and a missing interpreter are warnings", async () => {
      behave("process.exit(1)");
      expect((await trackTraining(online(), run, SECRET)).warning).to.match(/tracker failed/);
      const missing = { ...online(), python: "/nowhere/python" };
      const tracking = await trackTraining(missing, run, SECRET);
      expect(tracking.warning).to.match(/tracker failed/);
      expect(await tracking.end()).to.match(/tracker failed/);
    });

    it("leaves no process behind", async () => {
      behave(`const { pid } = require("node:child_process").spawn("sleep", ["60"]);
        writeFileSync(here + "/child", String(pid));
        process.stdin.once("data", () => console.log('{"warning":null}'));`);
      const tracking = await trackTraining(online(), run, SECRET);
      const child = Number(readFileSync(join(root, "child"), "utf8"));
      tracking.stop();
      for (let tries = 0; tries < 100 && isRunning(child); tries++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(isRunning(child)).to.equal(false);
    });
  });

  describe("warnings after the end", () => {
    it("get the next number, after an incomplete line has been cut off", async () => {
      mkdirSync(join(root, "job"));
      const path = join(root, "job/events.jsonl");
      await appendWarning(path, "First.");
      writeFileSync(path, `${readFileSync(path, "utf8")}{"seq":2,"type":"done"}\n{"seq":3,"ty`);
      await appendWarning(path, "Second.");
      const lines = readFileSync(path, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(lines.map(({ seq, type }) => [seq, type])).to.deep.equal([
        [1, "warning"],
        [2, "done"],
        [3, "warning"],
      ]);
      expect(lines[2].message).to.equal("Second.");
    });
  });
});

/** A zombie waits only for the process table. */
function isRunning(pid: number): boolean {
  try {
    return !/^Z/.test(execFileSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" }));
  } catch {
    return false;
  }
}
