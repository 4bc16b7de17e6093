import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "chai";
import fc from "fast-check";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import { ProtocolError } from "../../../../sdk/errors.ts";
import { parseRoot, type Root } from "../../../../sdk/ids.ts";
import { download } from "../../../../sdk/storage/download.ts";
import { exists } from "../../../../sdk/storage/exists.ts";
import { rootOfBytes } from "../../../../sdk/storage/tree/RootHasher.ts";
import { SEGMENT_BYTES } from "../../../../sdk/storage/tree/segment.ts";
import { upload } from "../../../../sdk/storage/upload.ts";
import { StorageNode } from "./storageNode.ts";

const TRANSFERRING_CHILD = join(import.meta.dirname, "transferringChild.ts");
const SERVING_CHILD = join(import.meta.dirname, "../../provider/storage/servingChild.ts");

const UNKNOWN = parseRoot(`0x${"ab".repeat(32)}`);

/** Content in which all chunks differ. */
function content(size: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4));
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + seed, 2654435761);
  return new Uint8Array(words.buffer, 0, size);
}

async function failure(promise: Promise<unknown>): Promise<ProtocolError> {
  const error = await promise.then(
    () => new Error("it did not fail"),
    (e) => e,
  );
  expect(error).to.be.instanceOf(ProtocolError, String(error));
  expect(error.hint).to.match(/\.$/);
  return error;
}

describe("transfer", () => {
  let directory: string;
  let node: StorageNode;
  let path: string;
  let target: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "anneal-transfer-"));
    path = join(directory, "file");
    target = join(directory, "target");
    node = await StorageNode.start(join(directory, "node"));
  });
  afterEach(async () => {
    await node.stop();
    await rm(directory, { recursive: true });
  });

  async function publish(size: number): Promise<{ bytes: Uint8Array; root: Root }> {
    const bytes = content(size);
    await writeFile(path, bytes);
    const { root } = await upload(node.url, path);
    return { bytes, root };
  }

  async function expectTarget(bytes: Uint8Array): Promise<void> {
    expect((await readFile(target)).equals(bytes)).to.equal(true);
    const left = (await readdir(directory)).filter((name) => name.startsWith("target."));
    expect(left).to.deep.equal([]);
  }

  it("uploads and downloads a file of any size unchanged", async () => {
    const edge = fc.constantFrom(
      1,
      255,
      256,
      257,
      SEGMENT_BYTES - 1,
      SEGMENT_BYTES,
      SEGMENT_BYTES + 1,
      // 21 segments with data and one of padding alone.
      20 * SEGMENT_BYTES + 3,
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(edge, fc.integer({ min: 1, max: 900_000 })), async (size) => {
        const bytes = content(size, size);
        await writeFile(path, bytes);
        const { root, ...uploaded } = await upload(node.url, path);
        expect(root).to.equal(rootOfBytes(bytes).root);
        expect(uploaded.size).to.equal(size);
        expect(await download(node.url, root, target)).to.deep.equal({ size });
        await expectTarget(bytes);
      }),
      { numRuns: 8, examples: [[20 * SEGMENT_BYTES + 3], [1], [SEGMENT_BYTES + 1]] },
    );
  });

  it("sends nothing for a root that is stored already", async () => {
    const { bytes } = await publish(3 * SEGMENT_BYTES);
    expect(node.segments).to.have.length(3);
    await writeFile(path, bytes);
    expect(await upload(node.url, path)).to.include({ sent: 0, size: bytes.length });
    expect(node.segments).to.have.length(3);
  });

  it("reports progress that only grows and ends with the size", async () => {
    const { root } = await publish(5 * SEGMENT_BYTES + 9);
    const seen: number[] = [];
    const size = 5 * SEGMENT_BYTES + 9;
    const onProgress = ({ bytes, total }: { bytes: number; total: number }) => {
      expect(total).to.equal(size);
      seen.push(bytes);
    };
    await download(node.url, root, target, { onProgress });
    expect(seen).to.deep.equal(seen.toSorted((a, b) => a - b));
    expect([seen[0], seen.at(-1)]).to.deep.equal([0, size]);
  });

  it("reports what exists", async () => {
    const { root } = await publish(1000);
    expect(await exists(node.url, root)).to.equal(true);
    expect(await exists(`${node.url}/`, UNKNOWN)).to.equal(false);
  });

  it("of an unknown root fails as not-found and leaves no file", async () => {
    const error = await failure(download(node.url, UNKNOWN, target));
    expect(error.code).to.equal("not-found");
    expect(error.message).to.include(UNKNOWN);
    expect((await readdir(directory)).sort()).to.deep.equal(["node"]);
  });

  it("fails as network when nobody answers", async () => {
    const url = node.url;
    await node.stop();
    await writeFile(path, "hello");
    const errors = await Promise.all([
      failure(upload(url, path)),
      failure(download(url, UNKNOWN, target)),
      failure(exists(url, UNKNOWN)),
    ]);
    for (const error of errors) {
      expect(error.code).to.equal("network");
      expect(error.message).to.include("ECONNREFUSED");
    }
  });

  it("refuses an invalid address", async () => {
    for (const url of ["", "nonsense", "ftp://127.0.0.1", "127.0.0.1:80"]) {
      expect((await failure(exists(url, UNKNOWN))).code).to.equal("usage");
    }
  });

  it("refuses an empty file and a target that cannot be written", async () => {
    await writeFile(path, "");
    expect((await failure(upload(node.url, path))).code).to.equal("usage");
    const { root } = await publish(10);
    const error = await failure(download(node.url, root, join(directory, "no", "target")));
    expect(error.code).to.equal("usage");
  });

  it("passes on the reason and the hint of a server that refuses", async () => {
    await node.stop();
    const limits = { totalBytes: 1000, uploadBytes: 900, freeDiskBytes: 0, abandonedAfterMs: 1000 };
    node = await StorageNode.start(join(directory, "node"), limits);
    await writeFile(path, content(901));
    const error = await failure(upload(node.url, path));
    expect(error.code).to.equal("usage");
    expect(error.message).to.include("901 bytes are more than the 900");
    expect(error.hint).to.equal("Use a smaller file or another provider.");
  });

  it("notices a file that changes during its upload", async () => {
    await writeFile(path, content(8 * SEGMENT_BYTES));
    const other = content(8 * SEGMENT_BYTES, 2);
    const changed = upload(node.url, path, {
      onProgress: ({ bytes }) => {
        if (bytes === 0) writeFileSync(path, other);
      },
    });
    expect((await failure(changed)).code).to.equal("integrity");
    expect(await exists(node.url, rootOfBytes(content(8 * SEGMENT_BYTES)).root)).to.equal(false);
  });

  describe("resumes", () => {
    const segments = 10;
    const size = segments * SEGMENT_BYTES - 100;

    /** Aborts after `count` segments, as Ctrl-C does. */
    function abortAfter(count: number): { signal: AbortSignal; onProgress: () => void } {
      const stop = new AbortController();
      let seen = -1;
      const onProgress = () => {
        if (++seen === count) stop.abort();
      };
      return { signal: stop.signal, onProgress };
    }

    it("after an aborted upload", async () => {
      await writeFile(path, content(size));
      const aborted = await upload(node.url, path, abortAfter(5)).catch((e) => e.name);
      expect(aborted).to.equal("AbortError");
      const { root, sent } = await upload(node.url, path);
      expect(sent).to.be.at.most((segments - 5) * SEGMENT_BYTES);
      expectNothingTwice();
      expect(await exists(node.url, root)).to.equal(true);
    });

    it("after an aborted download", async () => {
      const { bytes, root } = await publish(size);
      const aborted = await download(node.url, root, target, abortAfter(5)).catch((e) => e.name);
      expect(aborted).to.equal("AbortError");
      expect((await readdir(directory)).sort()).to.deep.equal([
        "file",
        "node",
        "target.part",
        "target.part.have",
      ]);
      node.answered.length = 0;
      await download(node.url, root, target);
      expect(node.segments.length).to.be.at.most(segments - 5);
      await expectTarget(bytes);
    });

    it("after an aborted download, but fetches again what was corrupted on disk", async () => {
      const { bytes, root } = await publish(size);
      await download(node.url, root, target, abortAfter(5)).catch(() => {});
      const part = await readFile(`${target}.part`);
      await writeFile(`${target}.part`, new Uint8Array(part.length));
      node.answered.length = 0;
      await download(node.url, root, target);
      expect(node.segments).to.have.length(segments);
      await expectTarget(bytes);
    });

    it("but not from the leftovers of other content", async () => {
      const { root } = await publish(size);
      await download(node.url, root, target, abortAfter(5)).catch(() => {});
      const other = content(SEGMENT_BYTES + 7, 2);
      await writeFile(path, other);
      const uploaded = await upload(node.url, path);
      await download(node.url, uploaded.root, target);
      await expectTarget(other);
    });

    it("after kill -9 of the uploading process, with no segment sent twice", async () => {
      await writeFile(path, content(size));
      const child = run(TRANSFERRING_CHILD, ["up", node.url, path]);
      await killAfterSegments(child, 5);
      const { root, sent } = await upload(node.url, path);
      expect(sent).to.be.at.most((segments - 5) * SEGMENT_BYTES);
      expectNothingTwice();
      expect(await exists(node.url, root)).to.equal(true);
    });

    it("after kill -9 of the downloading process, with no kept segment fetched twice", async () => {
      const { bytes, root } = await publish(size);
      node.answered.length = 0;
      const child = run(TRANSFERRING_CHILD, ["down", node.url, target, root]);
      await killAfterSegments(child, 6);
      const marks = (await readFile(`${target}.part.have`)).subarray(40);
      const kept = marks.reduce((sum, mark) => sum + mark, 0);
      node.answered.length = 0;
      await download(node.url, root, target);
      expect(node.segments).to.have.length(segments - kept);
      await expectTarget(bytes);
    });

    it("after kill -9 of the storage node, with no stored segment sent twice", async () => {
      await writeFile(path, content(size));
      const store = join(directory, "killed-node");
      const child = run(SERVING_CHILD, [store]);
      const [port] = await once(createInterface(child.stdout!), "line");
      let across = 0;
      const onProgress = ({ bytes }: { bytes: number }) => {
        across = bytes;
        if (bytes >= 5 * SEGMENT_BYTES) child.kill("SIGKILL");
      };
      const error = await failure(upload(`http://127.0.0.1:${port}`, path, { onProgress }));
      expect(error.code).to.equal("network");
      expect(across).to.be.within(5 * SEGMENT_BYTES, size - 1);
      const reborn = await StorageNode.start(store);
      try {
        const { root, sent } = await upload(reborn.url, path);
        expect(sent).to.be.at.most(size - across);
        await download(reborn.url, root, target);
        await expectTarget(content(size));
      } finally {
        await reborn.stop();
      }
    });

    function expectNothingTwice(): void {
      expect(new Set(node.segments).size).to.equal(node.segments.length);
    }

    function run(script: string, args: string[]): ChildProcess {
      return spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    }

    /** Kills the process when the node has answered for `count` segments. */
    async function killAfterSegments(child: ChildProcess, count: number): Promise<void> {
      const seen = node.segments.length;
      node.onAnswered = () => {
        if (node.segments.length - seen >= count) child.kill("SIGKILL");
      };
      const [, signal] = await once(child, "exit");
      node.onAnswered = () => {};
      expect(signal).to.equal("SIGKILL");
    }
  });
});

describe("transfer with a faulty storage", () => {
  const bytes = content(3 * SEGMENT_BYTES + 500);
  const list = rootOfBytes(bytes);
  let directory: string;
  let target: string;
  let lying: Server | undefined;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "anneal-lying-"));
    target = join(directory, "target");
  });
  after(() => rm(directory, { recursive: true }));
  afterEach(stop);

  function stop(): void {
    lying?.closeAllConnections();
    lying?.close();
    lying = undefined;
  }

  /** Starts a storage with this fault, in place of the previous one. */
  async function serve(listener: RequestListener): Promise<string> {
    stop();
    lying = createServer(listener).listen(0, "127.0.0.1");
    await once(lying, "listening");
    return `http://127.0.0.1:${(lying.address() as AddressInfo).port}`;
  }

  function sendPart(response: ServerResponse, part: Uint8Array): void {
    response.writeHead(206, { "content-length": part.length }).end(part);
  }

  /** An honest storage except for what `lie` answers itself. */
  function honestBut(lie: RequestListener): RequestListener {
    return (request, response) => {
      lie(request, response);
      if (response.writableEnded || response.headersSent) return;
      if (request.method === "HEAD") {
        response.writeHead(200, { "content-length": bytes.length }).end();
      } else if (request.url!.endsWith("/segments")) {
        response.end(list.segmentRoots);
      } else {
        const [start, end] = request.headers.range!.match(/\d+/g)!.map(Number) as [number, number];
        sendPart(response, bytes.subarray(start, end + 1));
      }
    };
  }

  async function expectRefused(lie: RequestListener, code = "integrity"): Promise<ProtocolError> {
    const url = await serve(honestBut(lie));
    const error = await failure(download(url, list.root, target));
    expect(error.code).to.equal(code);
    expect(await readdir(directory)).to.not.include("target");
    return error;
  }

  it("works while it is not faulty", async () => {
    const url = await serve(honestBut(() => {}));
    await download(url, list.root, target);
    expect((await readFile(target)).equals(bytes)).to.equal(true);
    await rm(target);
  });

  it("refuses a segment with one wrong bit, and keeps the right ones", async () => {
    const error = await expectRefused((request, response) => {
      if (!request.headers.range?.startsWith(`bytes=${2 * SEGMENT_BYTES}-`)) return;
      const wrong = bytes.slice(2 * SEGMENT_BYTES, 3 * SEGMENT_BYTES);
      wrong[77]! ^= 4;
      sendPart(response, wrong);
    });
    expect(error.message).to.include("segment 2");
    const asked: string[] = [];
    const url = await serve(
      honestBut((request) => {
        if (request.headers.range) asked.push(request.headers.range);
      }),
    );
    await download(url, list.root, target);
    expect(asked).to.include(`bytes=${2 * SEGMENT_BYTES}-${3 * SEGMENT_BYTES - 1}`);
    expect(asked).to.not.include(`bytes=0-${SEGMENT_BYTES - 1}`);
    expect((await readFile(target)).equals(bytes)).to.equal(true);
    await rm(target);
  });

  it("refuses the right segment at the wrong position", async () => {
    await expectRefused((request, response) => {
      if (request.headers.range) sendPart(response, bytes.subarray(0, SEGMENT_BYTES));
    });
  });

  it("refuses a segment list that does not fold to the root", async () => {
    const other = rootOfBytes(content(bytes.length, 2));
    await expectRefused((request, response) => {
      if (request.url!.endsWith("/segments")) response.end(other.segmentRoots);
    });
  });

  it("refuses a size that does not fit the list", async () => {
    await expectRefused((request, response) => {
      if (request.method === "HEAD") response.writeHead(200, { "content-length": 7 }).end();
    });
  });

  it("refuses sizes that would fill memory or disk", async () => {
    for (const size of [0, 2 ** 39, 2 ** 60]) {
      await expectRefused((request, response) => {
        if (request.method === "HEAD") response.writeHead(200, { "content-length": size }).end();
      });
    }
  });

  it("refuses an endless answer, without reading it into memory", async () => {
    const heads = [
      [{ "content-length": 2 ** 40 }, "integrity"],
      [{ "content-length": SEGMENT_BYTES }, "integrity"],
      [{}, "network"], // without a content length
    ] as const;
    for (const [head, code] of heads) {
      let written = 0;
      await expectRefused((request, response) => {
        if (!request.headers.range) return;
        response.writeHead(206, head);
        const pour = () => {
          if (response.destroyed) return;
          written += SEGMENT_BYTES;
          response.write(Buffer.alloc(SEGMENT_BYTES), pour);
        };
        pour();
      }, code);
      expect(written).to.be.below(64 * 2 ** 20);
    }
  });

  it("reports a connection that breaks repeatedly as network", async () => {
    let cuts = 0;
    await expectRefused((request, response) => {
      if (!request.headers.range) return;
      cuts++;
      response.writeHead(206, { "content-length": SEGMENT_BYTES }).write("half");
      response.destroy();
    }, "network");
    expect(cuts).to.be.at.least(3);
  });

  it("survives a connection that breaks once", async () => {
    let cut = false;
    const url = await serve(
      honestBut((request, response) => {
        if (!request.headers.range || cut) return;
        cut = true;
        response.writeHead(206, { "content-length": SEGMENT_BYTES }).write("half");
        response.destroy();
      }),
    );
    await download(url, list.root, target);
    expect((await stat(target)).size).to.equal(bytes.length);
    await rm(target);
  });

  it("shows a server's reason as one line without control characters", async () => {
    const error = await expectRefused((request, response) => {
      if (!request.url!.endsWith("/segments")) return;
      const message = `\u001b[31mred\nalert\u0007 ${"x".repeat(5000)}`;
      const reason = { message, hint: "Pay\n\u0000me." };
      response.writeHead(503).end(JSON.stringify(reason));
    }, "network");
    expect(error.message)
      .to.match(/^[\x20-\x7e]+$/)
      .and.include("[31mred alert");
    expect(error.message.length).to.be.below(500);
    expect(error.hint).to.equal("Pay me.");
  });

  it("does not report success for an upload to a server with invalid answers", async () => {
    const path = join(directory, "file");
    await writeFile(path, bytes);
    for (const answer of [
      "",
      "<html>",
      "{}",
      '{"complete":true}',
      '{"complete":true,"missing":[[-1,2]]}',
    ]) {
      const url = await serve((request, response) => {
        request.resume();
        response.end(answer);
      });
      expect((await failure(upload(url, path))).code).to.equal("network");
    }
  });
});
