import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { type Entry, fromBuffer } from "yauzl";
import { packDirectory } from "../../../helpers/packDirectory.ts";

function entriesOf(path: string): Promise<Entry[]> {
  return new Promise((resolve, reject) => {
    fromBuffer(readFileSync(path), (error, zip) => {
      if (error) return reject(error);
      const entries: Entry[] = [];
      zip.on("entry", (entry: Entry) => entries.push(entry));
      zip.once("end", () => resolve(entries));
      zip.once("error", reject);
    });
  });
}

describe("packDirectory", () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "anneal-archive-"));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  /** Writes the same files in the given order, at the given time. */
  const fill = (name: string, order: readonly string[], time: Date) => {
    const directory = join(root, name);
    mkdirSync(join(directory, "sub"), { recursive: true });
    for (const file of order) {
      writeFileSync(join(directory, file), `content of ${file}`, {
        mode: time.getTime() % 2 ? 0o600 : 0o644,
      });
      utimesSync(join(directory, file), time, time);
    }
    return directory;
  };

  it("produces the same bytes for the same files, whatever their order, times and modes", async () => {
    const names = ["b.txt", "a.txt", "sub/c.txt", "Z.txt"];
    const first = fill("first", names, new Date(1_000_001));
    const second = fill("second", names.toReversed(), new Date(2_000_000));
    const one = await packDirectory(first, join(root, "one.zip"), "tiny");
    const two = await packDirectory(second, join(root, "two.zip"), "tiny");
    expect(one).to.deep.equal(two);
    expect(readFileSync(join(root, "one.zip"))).to.deep.equal(readFileSync(join(root, "two.zip")));
  });

  it("contains every file under its relative path, sorted, and no links", async () => {
    const directory = fill("files", ["b.txt", "sub/c.txt", "a.txt"], new Date(0));
    writeFileSync(join(root, "secret"), "secret");
    symlinkSync(join(root, "secret"), join(directory, "link.txt"));
    const { size } = await packDirectory(directory, join(root, "out.zip"), "tiny");
    const entries = await entriesOf(join(root, "out.zip"));
    expect(entries.map((entry) => entry.fileName)).to.deep.equal([
      "tiny/a.txt",
      "tiny/b.txt",
      "tiny/sub/c.txt",
    ]);
    expect(readFileSync(join(root, "out.zip")).length).to.equal(size);
  });

  it("produces other bytes if one byte of a file changes", async () => {
    const directory = fill("files", ["a.txt"], new Date(0));
    const before = await packDirectory(directory, join(root, "before.zip"), "tiny");
    writeFileSync(join(directory, "a.txt"), "content of b.txt");
    const after = await packDirectory(directory, join(root, "after.zip"), "tiny");
    expect(after.sha256).not.to.equal(before.sha256);
  });
});
