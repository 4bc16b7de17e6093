import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, link, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { describe, it } from "mocha";
import { checkOutput, type OutputOptions } from "../../../../../sdk/storage/files/checkOutput.ts";
import { writeAtomically } from "../../../../../sdk/storage/files/publishFile.ts";
import { rejection } from "../../../../helpers/rejection.ts";
import { temporaryFolder } from "../../dataset/temporaryFolder.ts";

describe("a file to write", () => {
  const { folder } = temporaryFolder();
  const at = (name: string) => join(folder, name);
  const refusal = async (path: string, options?: OutputOptions) => {
    const error = await rejection(() => checkOutput(path, options));
    expect(error.code).to.equal("usage");
    return `${error.message} ${error.hint}`;
  };
  const file = async (name: string, content = "mine") => {
    await writeFile(at(name), content);
    return at(name);
  };

  it("may be new", async () => {
    expect(await checkOutput(at("new.zip"))).to.deep.equal({ path: at("new.zip"), isDone: false });
  });

  it("is never another file, unless it is to be replaced", async () => {
    const path = await file("taken.zip");
    const error = await rejection(() => checkOutput(path));
    expect(error.message).to.contain("already exists");
    expect(error.next).to.deep.equal({ parameter: "force" });
    expect(await checkOutput(path, { force: true })).to.deep.equal({ path, isDone: false });
    expect(await readFile(path, "utf8")).to.equal("mine");
  });

  it("is done if it contains exactly the result", async () => {
    const path = await file("done.zip", "the result");
    const isResult = async (place: string) => (await readFile(place, "utf8")) === "the result";
    expect(await checkOutput(path, { isResult })).to.deep.equal({ path, isDone: true });
    await file("done.zip", "another");
    expect(await refusal(path, { isResult })).to.contain("holds something else");
  });

  it("is never a directory, a device, a pipe or a socket", async () => {
    const force = true;
    await mkdir(at("folder"));
    expect(await refusal(at("folder"), { force })).to.contain("is a directory");
    expect(await refusal("/dev/null", { force })).to.contain("is a device");
    execFileSync("mkfifo", [at("fifo")]);
    expect(await refusal(at("fifo"), { force })).to.contain("is a pipe");
    const server = createServer();
    await new Promise<void>((done) => server.listen(at("socket"), done));
    expect(await refusal(at("socket"), { force })).to.contain("is a socket");
    server.close();
    await symlink("/dev/null", at("to-device"));
    expect(await refusal(at("to-device"), { force })).to.contain("is a device");
    await mkdir(at("begun.part"));
    expect(await refusal(at("begun"))).to.contain("begun.part is a directory");
  });

  it("is the target of a link, and the link stays", async () => {
    const target = await file("target.zip");
    await symlink(target, at("link.zip"));
    expect(await refusal(at("link.zip"))).to.contain("already exists");
    const { path } = await checkOutput(at("link.zip"), { force: true });
    await writeAtomically(path, (temporary) => writeFile(temporary, "new"));
    expect(await readFile(target, "utf8")).to.equal("new");
    expect(await readFile(at("link.zip"), "utf8")).to.equal("new");
    await symlink(at("nowhere"), at("dangling"));
    expect(await refusal(at("dangling"), { force: true })).to.contain("does not exist");
  });

  it("is never the source of the result, under whatever name", async () => {
    const input = await file("input.jsonl");
    await link(input, at("hard.jsonl"));
    await symlink(input, at("soft.jsonl"));
    for (const name of ["input.jsonl", "hard.jsonl", "soft.jsonl"]) {
      const options = { inputs: [input], force: true };
      expect(await refusal(at(name), options)).to.contain("would destroy it");
    }
    const begun = await file("output.part");
    expect(await refusal(at("output"), { inputs: [begun] })).to.contain("would destroy it");
  });

  it("is in a directory that exists, and that can be written to", async () => {
    expect(await refusal(at("none/model.zip"))).to.contain(
      `The directory ${at("none")} does not exist`,
    );
    const path = await file("plain");
    expect(await refusal(join(path, "model.zip"))).to.contain(
      `The directory ${path} does not exist`,
    );
    if (process.getuid!() === 0) {
      // root may write everywhere, except to paths that the kernel keeps read-only
      expect(await refusal("/proc/sys/model.zip")).to.contain("/proc/sys cannot be written");
    } else {
      await mkdir(at("locked"));
      await chmod(at("locked"), 0o500);
      expect(await refusal(at("locked/model.zip"))).to.contain("is not accessible to this user");
    }
  });

  it("has room on its disk", async () => {
    const size = Number.MAX_SAFE_INTEGER;
    const { message } = await rejection(() => checkOutput(at("huge"), { size }));
    expect(message).to.match(/no room for \d+\.\d MiB: \d+\.\d MiB/);
    expect(await checkOutput(at("huge"), { size: 1 })).to.include({ isDone: false });
  });

  it("stays unchanged, with nothing beside it, if writing fails", async () => {
    const path = await file("kept.zip");
    const broken = async (temporary: string) => {
      await writeFile(temporary, "half");
      throw new Error("no more");
    };
    const error = await writeAtomically(path, broken).catch((cause) => cause);
    expect(error.message).to.equal("no more");
    expect(await readFile(path, "utf8")).to.equal("mine");
    expect(existsSync(`${path}.part`)).to.equal(false);
  });
});
