import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { afterEach, describe, it } from "mocha";
import {
  identify,
  isRunning,
  type ProcessIdentity,
} from "../../../provider/processes/processTable.ts";
import { endProcess } from "../../../scripts/quickstart/endProcess.ts";
import {
  BUILDER,
  makeDirectory,
  readNetwork,
  stateOf,
  stopNetwork,
  writeNetwork,
} from "../../../scripts/quickstart/KeptNetwork.ts";
import { makeRunDirectory } from "../../../scripts/quickstart/paths.ts";
import type { NamedProcess } from "../../../scripts/quickstart/Stack.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const CHILD = join(import.meta.dirname, "stackChild.ts");

describe("npm start: its processes", () => {
  const started: ProcessIdentity[] = [];
  const folders: string[] = [];

  afterEach(async () => {
    for (const one of started.splice(0)) await endProcess(one);
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
  });

  const newFolder = async () => {
    const folder = await mkdtemp(join(tmpdir(), "anneal-stack-"));
    folders.push(folder);
    return folder;
  };

  /** Starts a small quick start. @returns its process, all processes that it started, and its folder. */
  async function startStack() {
    const folder = await newFolder();
    const notes = await newFolder();
    const nested = join(notes, "nested.pid");
    const parent = spawn(process.execPath, [CHILD, folder, nested], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "inherit"],
    });
    started.push(identify(parent.pid!)!);
    const lines = createInterface({ input: parent.stdout! });
    const [line] = (await once(lines, "line")) as [string];
    const own = JSON.parse(line) as NamedProcess[];
    const trainer = identify(Number(await readFile(nested, "utf8")))!;
    const processes: ProcessIdentity[] = [...own, trainer];
    expect(processes.map(isRunning)).to.deep.equal([true, true, true]);
    started.push(...processes);
    return { parent, processes, folder };
  }

  const untilEnded = async (processes: readonly ProcessIdentity[]) => {
    while (processes.some(isRunning)) await sleep(50); // the test's own timeout ends it
  };

  for (const [what, end] of [
    ["the terminal closes", (parent: ChildProcess) => parent.kill("SIGHUP")],
    ["it is asked to end", (parent: ChildProcess) => parent.kill("SIGTERM")],
    ["Ctrl-C is typed", (parent: ChildProcess) => parent.kill("SIGINT")],
    ["nobody reads its output any longer", (parent: ChildProcess) => parent.stdout!.destroy()],
    ["it is killed", (parent: ChildProcess) => parent.kill("SIGKILL")],
  ] as const) {
    it(`leaves no process running if ${what}`, async () => {
      const { parent, processes } = await startStack();
      end(parent);
      await untilEnded([...processes, identify(parent.pid!) ?? processes[0]!]);
    });
  }

  it("removes its temporary files even if it is killed", async () => {
    const { parent, processes, folder } = await startStack();
    parent.kill("SIGKILL");
    await untilEnded(processes);
    while (await stat(folder).catch(() => null)) await sleep(50);
  });

  describe("with --keep", () => {
    const sleeper = () => {
      const child = spawn("sleep", ["100000"], { stdio: "ignore", detached: true });
      const identity = identify(child.pid!)!;
      started.push(identity);
      return identity;
    };
    const network = (...processes: NamedProcess[]) => ({
      started: new Date().toISOString(),
      rpcUrl: "http://127.0.0.1:1",
      storageUrl: "http://127.0.0.1:2",
      apiUrl: "http://127.0.0.1:3",
      provider: "0x",
      processes,
    });
    const keep = async (...processes: NamedProcess[]) => {
      const directory = join(await newFolder(), "quickstart");
      await makeDirectory(directory);
      await writeNetwork(directory, network(...processes));
      return directory;
    };

    it("are found by the next start as long as all of them run", async () => {
      const [chain, provider] = [sleeper(), sleeper()];
      const all = [
        { name: "chain", ...chain },
        { name: "provider", ...provider },
      ];
      const directory = await keep(...all);
      expect(await stateOf(directory)).to.equal("running");
      await endProcess(provider);
      expect(await stateOf(directory)).to.equal("partly");
      await endProcess(chain);
      expect(await stateOf(directory)).to.equal("stale");
    });

    it("count as starting as long as their quick start runs", async () => {
      const builder = { name: BUILDER, ...identify(process.pid)! };
      expect(await stateOf(await keep(builder))).to.equal("starting");
      expect(await stateOf(join(await newFolder(), "none"))).to.equal("none");
      expect(await stateOf(await newFolder())).to.equal("stale");
    });

    it("are ended by npm stop, the newest first", async () => {
      const processes = ["chain", "provider"].map((name) => ({ name, ...sleeper() }));
      const directory = await keep(...processes);
      expect(await stopNetwork(directory)).to.deep.equal(["provider", "chain"]);
      expect(processes.some(isRunning)).to.equal(false);
      expect(await stopNetwork(directory)).to.deep.equal([]);
      expect((await readNetwork(directory))!.processes).to.have.lengthOf(2);
    });

    it("are offered if npm start is typed again, which changes nothing, and npm stop ends them", async () => {
      const folder = await newFolder();
      const directory = join(folder, ".anneal/quickstart");
      const processes = ["chain", "provider"].map((name) => ({ name, ...sleeper() }));
      await makeDirectory(directory);
      await writeNetwork(directory, network(...processes));
      await writeFile(join(directory, "blob"), "a dataset");
      const type = (script: string, ...flags: string[]) =>
        spawnSync(process.execPath, [join(ROOT, "scripts", script), ...flags], {
          cwd: folder,
          encoding: "utf8",
        });

      const again = type("quickstart.ts", "--keep");
      expect(again.status, again.stderr).to.equal(0);
      expect(again.stdout).to.contain("is running").and.contain("http://127.0.0.1:1");
      expect(again.stdout).to.contain("Nothing was changed.").and.contain("npm stop");
      expect(processes.every(isRunning)).to.equal(true);
      expect(await readFile(join(directory, "blob"), "utf8")).to.equal("a dataset");

      await endProcess(processes[1]!);
      const partly = type("quickstart.ts", "--keep");
      expect(partly.status).to.equal(1);
      expect(partly.stderr).to.contain("npm stop");
      expect(await readFile(join(directory, "blob"), "utf8")).to.equal("a dataset");

      expect(type("stop.ts").stdout).to.contain("Stopped: chain.");
      expect(processes.some(isRunning)).to.equal(false);
      expect(type("stop.ts").stdout).to.contain("No network");
    });

    it("are never confused with a later process of the same pid", async () => {
      const other = sleeper();
      const directory = await keep({ name: "chain", ...other, startTime: "another boot/1" });
      expect(await stateOf(directory)).to.equal("stale");
      expect(await stopNetwork(directory)).to.deep.equal([]);
      expect(isRunning(other)).to.equal(true);
    });
  });

  it("use a new folder every time, whatever is in output/", async () => {
    const root = await newFolder();
    expect(await makeRunDirectory(root)).to.equal("output/start-1");
    expect(await makeRunDirectory(root)).to.equal("output/start-2");
    await rm(join(root, "output/start-1"), { recursive: true });
    expect(await makeRunDirectory(root)).to.equal("output/start-1");
  });
});
