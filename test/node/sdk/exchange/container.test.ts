import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { after, before, describe, it } from "mocha";
import { ProtocolError } from "../../../../sdk/errors.ts";
import { geometryOf, levelOf, parentOf } from "../../../../sdk/exchange/geometry.ts";
import { openFile } from "../../../../sdk/exchange/open.ts";
import { PageCipher } from "../../../../sdk/exchange/PageCipher.ts";
import { PageMismatchError } from "../../../../sdk/exchange/PageMismatchError.ts";
import { sealFile } from "../../../../sdk/exchange/seal.ts";
import { parseTaskId } from "../../../../sdk/ids.ts";
import { rootOfFile } from "../../../../sdk/storage/root.ts";

const PAGE = 4096;
const SEGMENT = 64 * PAGE;

const keys = {
  taskId: parseTaskId("00112233-4455-6677-8899-aabbccddeeff"),
  u: Uint8Array.from({ length: 32 }, (_, i) => 255 - i),
  s: Uint8Array.from({ length: 32 }, (_, i) => i * 7),
};

/** Sizes where pages, levels or segments begin and end. */
const EDGES = [
  1,
  PAGE - 1,
  PAGE,
  PAGE + 1,
  2 * PAGE,
  SEGMENT - 1,
  SEGMENT,
  SEGMENT + 1, // the first hash page shares a segment with the last data page
  127 * PAGE + 1,
  128 * PAGE,
  128 * PAGE + 1,
  257 * PAGE,
];

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();

function plaintext(size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, i) => i * i + Math.floor(i / PAGE)));
}

/** The container as protocol.md describes it: all in memory, page by page. */
function expectedContainer(plain: Buffer): { clear: Buffer; contentRoot: string } {
  let level = Buffer.concat([plain, Buffer.alloc(-plain.length & (PAGE - 1))]);
  const all = [level];
  while (level.length > PAGE) {
    const digests: Buffer[] = [];
    for (let at = 0; at < level.length; at += PAGE) {
      digests.push(sha256(level.subarray(at, at + PAGE)));
    }
    const joined = Buffer.concat(digests);
    level = Buffer.concat([joined, Buffer.alloc(-joined.length & (PAGE - 1))]);
    all.push(level);
  }
  return { clear: Buffer.concat(all), contentRoot: `0x${sha256(level).toString("hex")}` };
}

/** Encrypts or decrypts a whole container. */
function crypt(container: Buffer): Buffer {
  const cipher = new PageCipher(keys);
  const pages: Buffer[] = [];
  for (let at = 0; at < container.length; at += PAGE) {
    pages.push(cipher.apply(at / PAGE, container.subarray(at, at + PAGE)));
  }
  return Buffer.concat(pages);
}

describe("deliverable container", () => {
  let directory: string;
  let plainPath: string;
  let sealedPath: string;
  let openedPath: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "anneal-container-"));
    plainPath = join(directory, "model.zip");
    sealedPath = join(directory, "model.sealed");
    openedPath = join(directory, "opened.zip");
  });
  after(() => rm(directory, { recursive: true }));

  async function seal(plain: Buffer) {
    await writeFile(plainPath, plain);
    return sealFile(plainPath, sealedPath, keys);
  }

  /** Opens the sealed file and expects an error that leaves no file behind. */
  async function failToOpen(size: number, contentRoot: string): Promise<unknown> {
    await rm(openedPath, { force: true });
    const error = await openFile(sealedPath, openedPath, { ...keys, size, contentRoot }).catch(
      (e) => e,
    );
    expect((await readdir(directory)).filter((name) => name.startsWith("opened"))).to.deep.equal(
      [],
    );
    return error;
  }

  for (const size of EDGES) {
    it(`of ${size} bytes equals the protocol's, byte for byte, and opens again`, async () => {
      const plain = plaintext(size);
      const sealed = await seal(plain);
      const { clear, contentRoot } = expectedContainer(plain);
      const encrypted = await readFile(sealedPath);
      expect(crypt(encrypted).equals(clear)).to.equal(true);
      expect(sealed).to.deep.equal({
        size,
        contentRoot,
        root: (await rootOfFile(sealedPath)).root,
        encryptedSize: encrypted.length,
      });
      expect(sealed.encryptedSize).to.equal(geometryOf(size).encryptedSize);
      await openFile(sealedPath, openedPath, { ...keys, size, contentRoot });
      expect((await readFile(openedPath)).equals(plain)).to.equal(true);
    });
  }

  it("of known content never changes, as old deliverables must stay readable", async () => {
    const sealed = await seal(plaintext(129 * PAGE - 5));
    expect(sealed.contentRoot).to.equal(
      "0xee13b016992b1bc1abbb82f6bd095d1274750e602fcdc1856e95f20abedc6265",
    );
    expect(sha256(await readFile(sealedPath)).toString("hex")).to.equal(
      "015a06bdd601cf1dbfc72c31b930234b1742600c5d493919dfc412ea113a454d",
    );
  });

  it("round-trips any size", async () => {
    const sizes = fc.integer({ min: 1, max: 3 * SEGMENT });
    await fc.assert(
      fc.asyncProperty(sizes, async (size) => {
        const plain = plaintext(size);
        const { contentRoot } = await seal(plain);
        await openFile(sealedPath, openedPath, { ...keys, size, contentRoot });
        expect((await readFile(openedPath)).equals(plain)).to.equal(true);
      }),
      { numRuns: 8 },
    );
  });

  it("has the same bytes each time, and other bytes for another task, u or s", async () => {
    const first = await seal(plaintext(9000));
    expect(await seal(plaintext(9000))).to.deep.equal(first);
    const others = [
      { ...keys, taskId: parseTaskId(`0x${"00".repeat(16)}`) },
      { ...keys, u: keys.s },
      { ...keys, s: keys.u },
    ];
    for (const other of others) {
      const sealed = await sealFile(plainPath, sealedPath, other);
      expect(sealed.root).to.not.equal(first.root);
      expect(sealed.contentRoot).to.equal(first.contentRoot);
    }
  });

  describe("with one flipped byte", () => {
    const size = 130 * PAGE + 77;
    let sealedBytes: Buffer;
    let contentRoot: string;
    before(async () => {
      ({ contentRoot } = await seal(plaintext(size)));
      sealedBytes = await readFile(sealedPath);
    });

    // 131 data pages, two hash pages above them, the top page above these.
    const places: [string, number, number][] = [
      ["a data page", 0, 131],
      ["a hash page", 131, 133],
      ["the top page", 133, 134],
    ];
    for (const [name, first, end] of places) {
      it(`in ${name} does not open, and the error names page and level`, async () => {
        const flips = fc.tuple(fc.integer({ min: first * PAGE, max: end * PAGE - 1 }), fc.nat(7));
        await fc.assert(
          fc.asyncProperty(flips, async ([at, bit]) => {
            const wrong = Buffer.from(sealedBytes);
            wrong[at]! ^= 1 << bit;
            await writeFile(sealedPath, wrong);
            const error = (await failToOpen(size, contentRoot)) as PageMismatchError;
            expect(error).to.be.instanceOf(PageMismatchError).and.instanceOf(ProtocolError);
            expect(error.code).to.equal("integrity");
            expect(error.page).to.equal(Math.floor(at / PAGE));
            expect(error.level).to.equal(levelOf(geometryOf(size), error.page));
          }),
          { numRuns: 12 },
        );
      });
    }
  });

  it("names the child if a provider's hash page has a wrong entry under a consistent root", async () => {
    const size = 130 * PAGE;
    const geometry = geometryOf(size);
    const { clear } = expectedContainer(plaintext(size));
    const victim = 129;
    const parent = parentOf(geometry, victim)!;
    clear.fill(
      0,
      parent.page * PAGE + parent.entry * 32,
      parent.page * PAGE + parent.entry * 32 + 32,
    );
    const pageAt = (page: number) => clear.subarray(page * PAGE, (page + 1) * PAGE);
    const grandparent = parentOf(geometry, parent.page)!;
    clear.set(sha256(pageAt(parent.page)), grandparent.page * PAGE + grandparent.entry * 32);
    const contentRoot = `0x${sha256(pageAt(grandparent.page)).toString("hex")}`;
    await writeFile(sealedPath, crypt(clear));
    const error = await failToOpen(size, contentRoot);
    expect(error).to.include({ page: victim, level: 0 });
  });

  it("names the top page if contentRoot is 32 random bytes or the key is wrong", async () => {
    const { size, contentRoot } = await seal(plaintext(3 * PAGE));
    expect(await failToOpen(size, `0x${"ab".repeat(32)}`)).to.include({ page: 3, level: 1 });
    const wrong = { ...keys, s: keys.u, size, contentRoot };
    const error = await openFile(sealedPath, openedPath, wrong).catch((e) => e);
    expect(error).to.include({ page: 3, level: 1 });
  });

  it("of another length is refused before anything is written", async () => {
    const { size, contentRoot } = await seal(plaintext(3 * PAGE));
    await truncate(sealedPath, 3 * PAGE);
    const error = (await failToOpen(size, contentRoot)) as ProtocolError;
    expect(error).to.be.instanceOf(ProtocolError).and.not.instanceOf(PageMismatchError);
    expect(error.message).to.include("12288 bytes").and.include("16384");
  });

  it("leaves an existing output alone if it does not open", async () => {
    const { size } = await seal(plaintext(PAGE));
    await writeFile(openedPath, "older");
    const wrong = { ...keys, size, contentRoot: `0x${"00".repeat(32)}` };
    await openFile(sealedPath, openedPath, wrong).catch((e) => e);
    expect(await readFile(openedPath, "utf8")).to.equal("older");
  });

  it("stops when it is aborted and leaves no file", async () => {
    const { size, contentRoot } = await seal(plaintext(3 * PAGE));
    const target = join(directory, "aborted");
    const options = { ...keys, signal: AbortSignal.abort() };
    const failures = await Promise.all([
      sealFile(plainPath, target, options).catch((e) => e.name),
      openFile(sealedPath, `${target}.zip`, { ...options, size, contentRoot }).catch((e) => e.name),
    ]);
    expect(failures).to.deep.equal(["AbortError", "AbortError"]);
    expect((await readdir(directory)).filter((name) => name.startsWith("aborted"))).to.deep.equal(
      [],
    );
  });

  it("refuses paths that cannot be used, with a hint", async () => {
    const attempts = [
      sealFile(join(directory, "missing"), sealedPath, keys),
      sealFile(plainPath, join(directory, "no", "such", "directory"), keys),
    ];
    for (const attempt of attempts) {
      const error = await attempt.catch((e) => e);
      expect(error).to.be.instanceOf(ProtocolError).with.property("code", "usage");
      expect(error.hint).to.match(/^Give .*\.$/);
    }
  });
});
