import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { TaskRefusedError } from "../../../../provider/errors.ts";
import {
  copyOutput,
  listOutput,
  openOutput,
  readOutput,
} from "../../../../provider/files/JobOutput.ts";

const SECRET = "the daemon's credentials";
const LIMIT = 2 ** 20;

describe("files that a training run wrote", () => {
  let root: string;
  let work: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "anneal-output-"));
    work = join(root, "work");
    mkdirSync(join(work, "out"), { recursive: true });
    mkdirSync(join(root, "daemon"));
    writeFileSync(join(root, "daemon/keystore.json"), SECRET);
    writeFileSync(join(work, "out/model"), "weights");
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const read = (path: string) => readOutput(work, path, 1_000);
  const list = () => listOutput(work, "out", LIMIT);
  const refusal = () =>
    list().then(
      () => expect.fail("was listed"),
      (error) => error,
    );

  it("are read and listed with their sizes, sorted by code point", async () => {
    mkdirSync(join(work, "out/sub"));
    writeFileSync(join(work, "out/sub/b"), "b");
    writeFileSync(join(work, "out/Z"), "");
    expect(String(await read("out/model"))).to.equal("weights");
    expect(await list()).to.deep.equal([
      { path: "out/Z", size: 0 },
      { path: "out/model", size: 7 },
      { path: "out/sub/b", size: 1 },
    ]);
  });

  it("are missing if there is a link anywhere in the path", async () => {
    symlinkSync(join(root, "daemon/keystore.json"), join(work, "out/link"));
    symlinkSync(join(root, "daemon"), join(work, "out/folder"));
    symlinkSync("../../daemon", join(work, "relative"));
    for (const path of ["out/link", "out/folder/keystore.json", "relative/keystore.json"])
      expect(await read(path), path).to.equal(null);
    expect(await list()).to.deep.equal([{ path: "out/model", size: 7 }]);
    expect(await listOutput(work, "relative", LIMIT)).to.deep.equal([]);
  });

  it("are not found by paths that leave the folder", async () => {
    for (const path of ["../daemon/keystore.json", "out/../../daemon/keystore.json", "", "out//x"])
      expect(await read(path), path).to.equal(null);
  });

  it("have one name only, as a second one could be changed later", async () => {
    linkSync(join(work, "out/model"), join(work, "out/again"));
    expect(await read("out/model")).to.equal(null);
    expect(await list()).to.deep.equal([]);
  });

  it("are regular: nothing blocks on a pipe, a socket or a device", async () => {
    execFileSync("mkfifo", [join(work, "out/pipe")]);
    const server = createServer().listen(join(work, "out/socket"));
    await once(server, "listening");
    for (const path of ["out/pipe", "out/socket", "out"])
      expect(await openOutput(work, path), path).to.equal(null);
    expect((await list()).map(({ path }) => path)).to.deep.equal(["out/model"]);
    server.close();
  });

  it("have the owner of the directory", async function () {
    if (process.getuid!() !== 0) {
      console.log("      SKIPPED: only root can give a file away.");
      this.skip();
    }
    execFileSync("chown", ["65534", join(work, "out/model")]);
    expect(await read("out/model")).to.equal(null);
    expect(await list()).to.deep.equal([]);
  });

  it("have names that mean the same on every system", async () => {
    for (const name of ["a\nb", "a\\b", "a\u001b[2J"]) writeFileSync(join(work, "out", name), "");
    execFileSync("sh", ["-c", "touch \"$(printf 'x\\377')\""], { cwd: join(work, "out") });
    expect((await list()).map(({ path }) => path)).to.deep.equal(["out/model"]);
  });

  it("are refused if a hole makes them larger than the disk", async () => {
    const huge = join(work, "out/huge");
    closeSync(openSync(huge, "w"));
    truncateSync(huge, 2 ** 40);
    expect(await refusal())
      .to.be.instanceOf(TaskRefusedError)
      .and.to.include({ reason: "TrainingError" });
    expect(await read("out/huge")).to.equal(null);
  });

  it("are refused if there are too many entries of any kind, or too deep folders", async () => {
    const make = "import os,sys\nfor i in range(10_001): os.symlink('x', f'{sys.argv[1]}/{i}')";
    execFileSync("python3", ["-c", make, join(work, "out")]);
    expect((await refusal()).message).to.match(/more than 10000 names/);
    rmSync(join(work, "out"), { recursive: true });
    mkdirSync(join(work, "out/1/2/3/4/5/6/7/8/9"), { recursive: true });
    expect((await refusal()).message).to.match(/folders more than 8 deep/);
  });

  it("are copied, never linked, and only as listed", async () => {
    const [file] = await list();
    await copyOutput(work, file!, join(root, "copies/model"));
    writeFileSync(join(work, "out/model"), "changed");
    expect(readFileSync(join(root, "copies/model"), "utf8")).to.equal("weights");
    writeFileSync(join(work, "out/model"), "longer than before");
    const error = await copyOutput(work, file!, join(root, "copies/other")).catch((e) => e);
    expect(error.message).to.match(/changed while/);
  });

  it("are closed again, also if their copy is there already", async () => {
    const [file] = await list();
    const open = () => readdirSync("/proc/self/fd").length;
    const before = open();
    await copyOutput(work, file!, join(root, "copies/model"));
    const error = await copyOutput(work, file!, join(root, "copies/model")).catch((e) => e);
    expect(error.code).to.equal("EEXIST");
    expect(open()).to.equal(before);
  });

  it("never expose the target of a link, even if names are swapped while they are read", async () => {
    const swap = `
import os, sys
out, secret = sys.argv[1:]
os.mkdir(out + "/real"); open(out + "/real/keystore.json", "w").write("weights")
print("ready", flush=True)
while True:
    os.symlink(secret, out + "/link"); os.replace(out + "/link", out + "/model")
    os.symlink(os.path.dirname(secret), out + "/folder")
    open(out + "/file", "w").write("weights"); os.replace(out + "/file", out + "/model")
    os.unlink(out + "/folder"); os.rename(out + "/real", out + "/folder")
    os.rename(out + "/folder", out + "/real")
`;
    const secret = join(root, "daemon/keystore.json");
    const child = spawn("python3", ["-c", swap, join(work, "out"), secret], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    const seen = new Set<string>();
    try {
      for (let tries = 0; tries < 3_000; tries++)
        for (const path of ["out/model", "out/folder/keystore.json"])
          seen.add(String(await read(path)));
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    expect(seen).to.include("weights").and.to.include("null");
    expect([...seen].filter((text) => !["weights", "null", ""].includes(text))).to.deep.equal([]);
  });
});
