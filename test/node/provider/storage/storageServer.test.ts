import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import type { FastifyInstance } from "fastify";
import { afterEach, beforeEach, describe, it } from "mocha";
import { BlobStore, type StorageLimits } from "../../../../provider/storage/BlobStore.ts";
import { createStorageServer } from "../../../../provider/storage/storageServer.ts";
import { rootOfBytes, type SegmentList } from "../../../../sdk/storage/tree/RootHasher.ts";
import { SEGMENT_BYTES } from "../../../../sdk/storage/tree/segment.ts";

const LIMITS: StorageLimits = {
  totalBytes: 2 ** 30,
  uploadBytes: 2 ** 30,
  freeDiskBytes: 0,
  abandonedAfterMs: 3_600_000,
};

const BINARY = { "content-type": "application/octet-stream" };

/** Content in which all segments differ. */
function content(size: number, seed = 1): Buffer {
  return Buffer.from(
    Uint8Array.from({ length: size }, (_, i) => Math.imul(i + seed, 2654435761) >> 24),
  );
}

describe("storage node", () => {
  let directory: string;
  let app: FastifyInstance;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "anneal-node-"));
    app = await createStorageServer({ directory, limits: LIMITS });
  });
  afterEach(async () => {
    await app.close();
    await rm(directory, { recursive: true });
  });

  /** Restarts on the same directory, as after a crash. */
  async function restart(limits: Partial<StorageLimits> = {}): Promise<void> {
    await app.close();
    app = await createStorageServer({ directory, limits: { ...LIMITS, ...limits } });
  }

  function begin({ root, size, segmentRoots }: SegmentList) {
    const payload = Buffer.from(segmentRoots);
    return app.inject({
      method: "PUT",
      url: `/uploads/${root}?size=${size}`,
      headers: BINARY,
      payload,
    });
  }

  function putSegment(root: string, index: number | string, payload: Buffer) {
    const url = `/uploads/${root}/segments/${index}`;
    return app.inject({ method: "PUT", url, headers: BINARY, payload });
  }

  function finish(root: string) {
    return app.inject({ method: "POST", url: `/uploads/${root}/finish` });
  }

  async function publish(bytes: Buffer): Promise<SegmentList> {
    const list = rootOfBytes(bytes);
    expect((await begin(list)).statusCode).to.equal(200);
    for (let at = 0; at < bytes.length; at += SEGMENT_BYTES) {
      const segment = bytes.subarray(at, at + SEGMENT_BYTES);
      expect((await putSegment(list.root, at / SEGMENT_BYTES, segment)).statusCode).to.equal(204);
    }
    expect((await finish(list.root)).statusCode).to.equal(200);
    return list;
  }

  function expectRefusal(
    response: { statusCode: number; json: () => unknown },
    status: number,
    code: string,
  ): void {
    expect(response.statusCode).to.equal(status);
    const body = response.json() as Record<string, string>;
    expect(Object.keys(body)).to.deep.equal(["code", "message", "hint"]);
    expect(body.code).to.equal(code);
    for (const text of [body.message, body.hint]) expect(text).to.match(/\S.*\.$/);
  }

  describe("serves a blob", () => {
    const bytes = content(SEGMENT_BYTES + 300, 7);

    it("whole, with its root as ETag and its length", async () => {
      const { root } = await publish(bytes);
      const response = await app.inject(`/blobs/${root}`);
      expect(response.statusCode).to.equal(200);
      expect(response.rawPayload.equals(bytes)).to.equal(true);
      expect(response.headers).to.include({
        etag: `"${root}"`,
        "accept-ranges": "bytes",
        "content-length": String(bytes.length),
      });
    });

    it("by its headers only for HEAD", async () => {
      const { root } = await publish(bytes);
      const response = await app.inject({ method: "HEAD", url: `/blobs/${root}` });
      expect(response.statusCode).to.equal(200);
      expect(response.headers["content-length"]).to.equal(String(bytes.length));
      expect(response.rawPayload).to.have.length(0);
    });

    it("with the list of its segment roots", async () => {
      const { root, segmentRoots } = await publish(bytes);
      const response = await app.inject(`/blobs/${root}/segments`);
      expect(response.statusCode).to.equal(200);
      expect(response.rawPayload.equals(segmentRoots)).to.equal(true);
    });

    it("in any range", async () => {
      const { root } = await publish(bytes);
      const at = fc.nat(bytes.length - 1);
      await fc.assert(
        fc.asyncProperty(at, at, async (a, b) => {
          const [start, end] = [Math.min(a, b), Math.max(a, b)];
          const headers = { range: `bytes=${start}-${end}` };
          const response = await app.inject({ url: `/blobs/${root}`, headers });
          expect(response.statusCode).to.equal(206);
          expect(response.headers["content-range"]).to.equal(
            `bytes ${start}-${end}/${bytes.length}`,
          );
          expect(response.rawPayload.equals(bytes.subarray(start, end + 1))).to.equal(true);
        }),
        { numRuns: 20 },
      );
    });

    it("in open and suffix ranges, cut at its end", async () => {
      const { root } = await publish(bytes);
      const cases: [string, Buffer][] = [
        [`bytes=${SEGMENT_BYTES}-`, bytes.subarray(SEGMENT_BYTES)],
        ["bytes=-10", bytes.subarray(-10)],
        ["bytes=-999999999", bytes],
        [`bytes=${bytes.length - 1}-999999999`, bytes.subarray(-1)],
      ];
      for (const [range, expected] of cases) {
        const response = await app.inject({ url: `/blobs/${root}`, headers: { range } });
        expect(response.statusCode).to.equal(206);
        expect(response.rawPayload.equals(expected)).to.equal(true);
      }
    });

    it("not for a range outside of it", async () => {
      const { root } = await publish(bytes);
      for (const range of [
        `bytes=${bytes.length}-`,
        `bytes=${bytes.length}-${bytes.length + 5}`,
        "bytes=-0",
      ]) {
        const response = await app.inject({ url: `/blobs/${root}`, headers: { range } });
        expectRefusal(response, 416, "range-outside");
      }
    });

    it("whole for a Range header that is not one range of bytes", async () => {
      const { root } = await publish(content(50));
      for (const range of ["bytes=0-1,4-5", "lines=1-2", "bytes=-", "bytes=9-3", "bytes=x-y"]) {
        const response = await app.inject({ url: `/blobs/${root}`, headers: { range } });
        expect([response.statusCode, response.rawPayload.length]).to.deep.equal([200, 50]);
      }
    });

    it("not before its upload is finished, and says so", async () => {
      const list = rootOfBytes(bytes);
      await begin(list);
      for (const path of [`/blobs/${list.root}`, `/blobs/${list.root}/segments`]) {
        expectRefusal(await app.inject(path), 404, "unknown-root");
      }
    });
  });

  describe("accepts an upload", () => {
    const bytes = content(2 * SEGMENT_BYTES + 40, 3);
    const list = rootOfBytes(bytes);
    const segment = (index: number) =>
      bytes.subarray(index * SEGMENT_BYTES, (index + 1) * SEGMENT_BYTES);

    it("in any order, and reports what is missing", async () => {
      expect((await begin(list)).json()).to.deep.equal({ complete: false, missing: [[0, 3]] });
      await putSegment(list.root, 1, segment(1));
      expect((await begin(list)).json().missing).to.deep.equal([
        [0, 1],
        [2, 3],
      ]);
      await putSegment(list.root, 2, segment(2));
      await putSegment(list.root, 0, segment(0));
      expect((await begin(list)).json()).to.deep.equal({ complete: false, missing: [] });
      expect((await finish(list.root)).json()).to.deep.equal({
        root: list.root,
        size: bytes.length,
      });
      expect((await begin(list)).json()).to.deep.equal({ complete: true, missing: [] });
    });

    it("of segments sent twice, at once, and after the finish", async () => {
      await begin(list);
      const indices = [0, 1, 2, 2, 1, 0];
      const answers = await Promise.all(indices.map((i) => putSegment(list.root, i, segment(i))));
      expect(answers.map((answer) => answer.statusCode)).to.deep.equal(Array(6).fill(204));
      const finished = await Promise.all([finish(list.root), finish(list.root)]);
      expect(finished.map((answer) => answer.statusCode)).to.deep.equal([200, 200]);
      expect((await putSegment(list.root, 0, segment(0))).statusCode).to.equal(204);
      expect((await app.inject(`/blobs/${list.root}`)).rawPayload.equals(bytes)).to.equal(true);
      expect(await readdir(join(directory, "incoming"))).to.deep.equal([]);
    });

    it("but refuses wrong bytes and keeps nothing of them", async () => {
      await begin(list);
      const wrong = Buffer.from(segment(0));
      wrong[5]! ^= 1;
      for (const payload of [wrong, segment(1), segment(0).subarray(1), Buffer.alloc(1)]) {
        expectRefusal(await putSegment(list.root, 0, payload), 422, "wrong-bytes");
      }
      expect((await begin(list)).json().missing).to.deep.equal([[0, 3]]);
    });

    it("but does not complete it while segments are missing", async () => {
      await begin(list);
      await putSegment(list.root, 0, segment(0));
      expectRefusal(await finish(list.root), 409, "incomplete");
    });

    it("but not of segments that do not exist or were not announced", async () => {
      expectRefusal(await putSegment(list.root, 0, segment(0)), 404, "not-begun");
      expectRefusal(await finish(list.root), 404, "not-begun");
      await begin(list);
      expectRefusal(await putSegment(list.root, 3, segment(0)), 404, "no-such-segment");
      for (const index of ["-1", "1.5", "1e3", "x", "9".repeat(16)]) {
        expectRefusal(await putSegment(list.root, index, segment(0)), 400, "bad-number");
      }
    });

    it("but not with a list that does not fold to the root or fit the size", async () => {
      const lies: SegmentList[] = [
        { ...list, segmentRoots: list.segmentRoots.toReversed() },
        { ...list, segmentRoots: list.segmentRoots.subarray(32) },
        { ...list, segmentRoots: new Uint8Array(0) },
        { ...list, size: SEGMENT_BYTES },
        { ...list, size: 0 },
      ];
      for (const lie of lies) expectRefusal(await begin(lie), 422, "wrong-segment-list");
    });

    it("beside a claim of the same root with another size, which is dropped on completion", async () => {
      const longer = { ...list, size: bytes.length + 60 };
      expect((await begin(longer)).statusCode).to.equal(200);
      await publish(bytes);
      expect((await app.inject(`/blobs/${list.root}`)).rawPayload.equals(bytes)).to.equal(true);
      expect(await readdir(join(directory, "incoming"))).to.deep.equal([]);
    });

    it("in place of a file that is longer by zeros, unless a task refers to that", async () => {
      const longer = Buffer.concat([bytes, Buffer.alloc(60)]);
      await publish(longer);
      await publish(bytes);
      expect((await app.inject(`/blobs/${list.root}`)).rawPayload.equals(bytes)).to.equal(true);
      await app.close();
      const references = () => new Set([list.root]);
      app = await createStorageServer({ directory, limits: LIMITS, references });
      expectRefusal(await begin({ ...list, size: longer.length }), 409, "other-size");
    });

    it("but not in bodies that are too long, of another type, or missing", async () => {
      await begin(list);
      const url = `/uploads/${list.root}/segments/0`;
      const tooLong = await putSegment(list.root, 0, Buffer.alloc(16 * SEGMENT_BYTES + 1));
      expectRefusal(tooLong, 413, "bad-length");
      const json = { "content-type": "application/json" };
      expectRefusal(
        await app.inject({ method: "PUT", url, headers: json, payload: "{}" }),
        415,
        "bad-request",
      );
      expectRefusal(await app.inject({ method: "PUT", url }), 400, "no-body");
    });

    it("and resumes it after a restart, without what it has", async () => {
      await begin(list);
      await putSegment(list.root, 1, segment(1));
      await restart();
      expect((await begin(list)).json().missing).to.deep.equal([
        [0, 1],
        [2, 3],
      ]);
      await publish(bytes);
      await restart();
      expect((await app.inject(`/blobs/${list.root}`)).rawPayload.equals(bytes)).to.equal(true);
    });

    it("and requests again what a power loss left marked but not written", async () => {
      await begin(list);
      await putSegment(list.root, 1, segment(1));
      await writeFile(join(directory, "incoming", `${list.root}.part`), Buffer.alloc(bytes.length));
      await restart();
      expect((await begin(list)).json().missing).to.deep.equal([[0, 3]]);
    });

    it("and survives a crash between the two renames of completion", async () => {
      await begin(list);
      for (const index of [0, 1, 2]) await putSegment(list.root, index, segment(index));
      await writeFile(join(directory, "blobs", `${list.root}.segments`), list.segmentRoots);
      await writeFile(join(directory, "incoming", `${list.root}.segments`), "half");
      await restart();
      expect(await readdir(join(directory, "blobs"))).to.deep.equal([]);
      expect((await begin(list)).json()).to.deep.equal({ complete: false, missing: [] });
      expect((await finish(list.root)).statusCode).to.equal(200);
      const served = await app.inject(`/blobs/${list.root}/segments`);
      expect(served.rawPayload.equals(list.segmentRoots)).to.equal(true);
    });
  });

  describe("enforces its limits", () => {
    it("on one file", async () => {
      await restart({ uploadBytes: 1000 });
      expectRefusal(await begin(rootOfBytes(content(1001))), 413, "too-large");
      await publish(content(1000));
    });

    it("on all files, counting pending uploads at full size, also after a restart", async () => {
      await restart({ totalBytes: 1000 });
      await publish(content(400));
      expect((await begin(rootOfBytes(content(500, 3)))).statusCode).to.equal(200);
      expectRefusal(await begin(rootOfBytes(content(101, 5))), 507, "storage-full");
      await restart({ totalBytes: 1000 });
      expectRefusal(await begin(rootOfBytes(content(101, 5))), 507, "storage-full");
      await publish(content(500, 3));
      await publish(content(100, 5));
    });

    it("on all files, for simultaneous uploads", async () => {
      await restart({ totalBytes: 1000 });
      const begun = await Promise.all(
        [1, 3, 5, 7].map((seed) => begin(rootOfBytes(content(400, seed)))),
      );
      const statuses = begun.map((answer) => answer.statusCode).sort();
      expect(statuses).to.deep.equal([200, 200, 507, 507]);
    });

    it("on the free disk", async () => {
      await restart({ freeDiskBytes: 2 ** 60 });
      expectRefusal(await begin(rootOfBytes(content(10))), 507, "disk-full");
    });

    it("by deleting abandoned uploads if space is needed, and no others", async () => {
      await restart({ totalBytes: 1000 });
      const [old, fresh] = [rootOfBytes(content(500)), rootOfBytes(content(400, 3))];
      await begin(old);
      await begin(fresh);
      const longAgo = new Date(Date.now() - LIMITS.abandonedAfterMs - 1000);
      await utimes(join(directory, "incoming", `${old.root}.part.have`), longAgo, longAgo);
      await restart({ totalBytes: 1000 });
      await begin(fresh);
      expect((await begin(rootOfBytes(content(450, 5)))).statusCode).to.equal(200);
      const left = await readdir(join(directory, "incoming"));
      expect(left.filter((name) => name.includes(old.root))).to.deep.equal([]);
      expectRefusal(await putSegment(old.root, 0, content(500)), 404, "not-begun");
      expect((await putSegment(fresh.root, 0, content(400, 3))).statusCode).to.equal(204);
    });

    it("on abandoned uploads, by the clock it is given", async () => {
      const list = rootOfBytes(content(600));
      let now = Date.now();
      const place = join(directory, "clocked");
      const store = await BlobStore.open(
        place,
        { ...LIMITS, totalBytes: 1000 },
        { now: () => now },
      );
      await store.begin(list);
      const next = rootOfBytes(content(601, 3));
      expect(await store.begin(next).catch((e) => e.code)).to.equal("storage-full");
      now += LIMITS.abandonedAfterMs + 1000;
      expect(await store.begin(next)).to.deep.equal({ complete: false, missing: [[0, 1]] });
    });
  });

  describe("validates paths", () => {
    const secret = "the secret";
    const ROOT = `0x${"a".repeat(64)}`;
    const ROOTS = [
      "..",
      "..%2f..%2fsecret",
      "%2e%2e%2fsecret",
      "..%5csecret",
      "secret%00",
      `${ROOT}%2f..%2f..%2fsecret`,
      `${ROOT}.segments`,
      ROOT.toUpperCase(),
      ROOT.slice(0, -1),
      `${ROOT}a`,
      ROOT.replace("0x", "00"),
      `0x${"g".repeat(64)}`,
      `${ROOT}%0a`,
    ];

    beforeEach(() => writeFile(join(directory, "secret"), secret));

    for (const name of ROOTS) {
      it(`and refuses ${name}`, async () => {
        const answers = [
          await raw("GET", `/blobs/${name}`),
          await raw("GET", `/blobs/${name}/segments`),
          await raw("PUT", `/uploads/${name}?size=1`),
          await raw("PUT", `/uploads/${name}/segments/0`),
          await raw("POST", `/uploads/${name}/finish`),
        ];
        for (const { status, body } of answers) {
          expect(status).to.be.oneOf([400, 404, 414]);
          expect(body).to.not.include(secret);
          expect(Object.keys(JSON.parse(body))).to.deep.equal(["code", "message", "hint"]);
        }
        expect(await readdir(join(directory, "incoming"))).to.deep.equal([]);
        expect(await readFile(join(directory, "secret"), "utf8")).to.equal(secret);
      });
    }

    it("and refuses dots and broken escapes", async () => {
      for (const path of ["/blobs/../secret", "/../secret", "/secret", "/blobs/%zz", "//secret"]) {
        const { status, body } = await raw("GET", path);
        expect(status).to.be.oneOf([400, 404]);
        expect(JSON.parse(body)).to.have.all.keys("code", "message", "hint");
      }
    });

    it("and refuses a size that is not a plain number", async () => {
      for (const size of ["", "-1", "1e3", "0x10", "1&size=2", "9".repeat(16)]) {
        const { status, body } = await raw("PUT", `/uploads/${ROOT}?size=${size}`);
        expect([status, JSON.parse(body).code]).to.deep.equal([400, "bad-number"]);
      }
    });

    /** Sends the path unchanged: clients, and Fastify's own injection, would normalize it. */
    async function raw(method: string, path: string): Promise<{ status: number; body: string }> {
      if (!app.server.listening) await app.listen({ host: "127.0.0.1", port: 0 });
      const { port } = app.server.address() as AddressInfo;
      return new Promise((resolve, reject) => {
        const options = { host: "127.0.0.1", port, method, path };
        const outgoing = httpRequest(options, async (response) => {
          let body = "";
          for await (const chunk of response) body += chunk;
          resolve({ status: response.statusCode!, body });
        });
        outgoing.on("error", reject).end();
      });
    }
  });
});
