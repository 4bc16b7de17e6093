import { once } from "node:events";
import { mkdtemp, readdir, rm, utimes } from "node:fs/promises";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect } from "chai";
import fc from "fast-check";
import type { FastifyInstance } from "fastify";
import { afterEach, beforeEach, describe, it } from "mocha";
import {
  BlobStore,
  type StorageLimits,
  type StoreSurroundings,
} from "../../../../provider/storage/BlobStore.ts";
import { createStorageServer } from "../../../../provider/storage/storageServer.ts";
import { MACHINE, OWN, type Uploader, uploaderAt } from "../../../../provider/storage/uploader.ts";
import type { Root } from "../../../../sdk/ids.ts";
import {
  rootFromSegments,
  rootOfBytes,
  type SegmentList,
} from "../../../../sdk/storage/tree/RootHasher.ts";
import { paddedSegmentCount } from "../../../../sdk/storage/tree/segment.ts";

const HOUR = 3_600_000;
const LIMITS: StorageLimits = {
  totalBytes: 2 ** 30,
  uploadBytes: 2 ** 30,
  freeDiskBytes: 0,
  abandonedAfterMs: HOUR,
};
const ALICE = uploaderAt("192.0.2.1");
const BOB = uploaderAt("192.0.2.2");

const content = (size: number, seed: number) =>
  Uint8Array.from({ length: size }, (_, i) => i * seed + seed);

describe("limits of the storage node", () => {
  let directory: string;
  let now: number;
  let references: Set<string>;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "anneal-limits-"));
    now = Date.now();
    references = new Set();
  });
  afterEach(() => rm(directory, { recursive: true }));

  const open = (limits: Partial<StorageLimits>, around: Partial<StoreSurroundings> = {}) =>
    BlobStore.open(
      directory,
      { ...LIMITS, ...limits },
      { now: () => now, references: () => references, ...around },
    );

  async function publish(store: BlobStore, bytes: Uint8Array, from: Uploader = MACHINE) {
    const list = rootOfBytes(bytes);
    await store.begin(list, from);
    await store.putSegment(list.root, 0, bytes);
    await store.finish(list.root);
    return list.root;
  }

  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => "done",
      (error) => error.code as string,
    );

  describe("per address", () => {
    const begin = (store: BlobStore, list: SegmentList, from: Uploader) =>
      codeOf(store.begin(list, from));

    it("counts stored and pending uploads, per address", async () => {
      const store = await open({ addressBytes: 1000 });
      await publish(store, content(600, 3), ALICE);
      expect(await begin(store, rootOfBytes(content(300, 5)), ALICE)).to.equal("done");
      expect(await begin(store, rootOfBytes(content(200, 7)), ALICE)).to.equal("claim-needed");
      expect(await begin(store, rootOfBytes(content(1000, 9)), BOB)).to.equal("done");
      expect(await begin(store, rootOfBytes(content(5000, 11)), MACHINE)).to.equal("done");
    });

    it("counts the same content once, and not for an address that uploads it later", async () => {
      const store = await open({ addressBytes: 1000 });
      const list = rootOfBytes(content(900, 3));
      for (const from of [ALICE, ALICE, BOB]) {
        expect(await begin(store, list, from)).to.equal("done");
      }
      expect(await begin(store, rootOfBytes(content(1000, 5)), BOB)).to.equal("done");
    });

    it("does not count what a task refers to, while it does", async () => {
      const store = await open({ addressBytes: 1000 });
      references.add(await publish(store, content(900, 3), ALICE));
      expect(await begin(store, rootOfBytes(content(901, 5)), ALICE)).to.equal("done");
      references.clear();
      expect(await begin(store, rootOfBytes(content(100, 7)), ALICE)).to.equal("claim-needed");
    });

    it("releases space of an abandoned upload, and takes none for a refused one", async () => {
      const store = await open({ addressBytes: 1000 });
      const list = rootOfBytes(content(900, 3));
      await store.begin(list, ALICE);
      expect(await begin(store, rootOfBytes(content(901, 5)), ALICE)).to.equal("claim-needed");
      now += HOUR + 1000;
      expect(await begin(store, rootOfBytes(content(1000, 7)), ALICE)).to.equal("done");
      expect(await readdir(join(directory, "incoming"))).to.have.length(2);
    });
  });

  describe("for all addresses together", () => {
    const MIB = 2 ** 20;
    /** A list that folds to some root, which costs its creator no bytes. */
    const madeUp = (size: number, seed: number): SegmentList => {
      const segmentRoots = Buffer.alloc(paddedSegmentCount(size) * 32, seed);
      return { root: rootFromSegments(segmentRoots, size), segmentRoots, size };
    };

    it("reserves a window for a claimed size, so that senders of nothing keep nobody out", async () => {
      const store = await open({ totalBytes: 1000 * MIB });
      for (let seed = 1; seed <= 20; seed++) await store.begin(madeUp(300 * MIB, seed), BOB);
      expect(await codeOf(store.begin(madeUp(300 * MIB, 99), ALICE))).to.equal("done");
    });

    it("reserves a share of the space for the provider's own deliveries", async () => {
      const store = await open({ totalBytes: 1000, ownShare: 0.25 });
      await publish(store, content(700, 3), ALICE);
      expect(await codeOf(store.begin(rootOfBytes(content(60, 5)), BOB))).to.equal("storage-full");
      await publish(store, content(300, 7), OWN);
    });

    it("lets a delivery of the provider take over an upload that somebody else has begun", async () => {
      const store = await open({ totalBytes: 1000, ownShare: 0.5 });
      const bytes = content(400, 3);
      await store.begin(rootOfBytes(bytes), ALICE);
      expect(await publish(store, bytes, OWN)).to.equal(rootOfBytes(bytes).root);
      expect(await codeOf(store.begin(rootOfBytes(content(500, 5)), OWN))).to.equal("done");
    });

    it("stores nothing for a segment with an invalid proof", async () => {
      const store = await open({ totalBytes: 1000 });
      const bytes = content(500, 3);
      const { root, size } = rootOfBytes(bytes);
      const proof = { lemma: [`0x${"1".repeat(64)}`], path: [] };
      const put = store.putProvenSegment({ root, size: 990 }, { index: 0, bytes, proof }, BOB);
      expect(await codeOf(put)).to.equal("wrong-bytes");
      expect(await readdir(join(directory, "incoming"))).to.deep.equal([]);
      expect(await codeOf(store.begin({ ...rootOfBytes(bytes), size }, ALICE))).to.equal("done");
    });

    it("releases all space, however the uploads end", async () => {
      const step = fc.record({ seed: fc.integer({ min: 1, max: 6 }), what: fc.nat(3) });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
          const store = await open({ totalBytes: 3000, unreferencedAfterMs: HOUR });
          for (const { seed, what } of steps) {
            const bytes = content(300 + seed, seed);
            const list = rootOfBytes(bytes);
            const actions = [
              () => codeOf(store.begin(list, seed % 2 ? ALICE : OWN)),
              () => codeOf(store.putSegment(list.root, 0, bytes)),
              () => codeOf(store.finish(list.root)),
              () => {
                now += HOUR;
              },
            ];
            await actions[what]!();
          }
          now += 2 * HOUR;
          const all = rootOfBytes(content(3000, 11));
          expect(await codeOf(store.begin(all, ALICE))).to.equal("done");
          now += 2 * HOUR;
          await codeOf(store.begin(rootOfBytes(content(10, 13)), ALICE));
        }),
        { numRuns: 25 },
      );
    });

    it("starts an upload as fast with thousands of pending ones as with none", async () => {
      const store = await open({});
      const list = rootOfBytes(content(100, 3));
      const timed = async () => {
        const start = performance.now();
        for (let n = 0; n < 20; n++) await store.begin(list);
        return performance.now() - start;
      };
      const alone = await timed();
      for (let n = 0; n < 2_000; n++) await store.begin(rootOfBytes(Buffer.from(`${n}`)));
      expect(await timed()).to.be.below(20 * alone + 200);
    });

    it("limits the pending uploads of one address", async () => {
      const store = await open({});
      for (let n = 0; n < 64; n++) await store.begin(rootOfBytes(Buffer.from(`${n}`)), ALICE);
      const next = rootOfBytes(content(50, 3));
      expect(await codeOf(store.begin(next, ALICE))).to.equal("too-many-uploads");
      expect(await codeOf(store.begin(next, BOB))).to.equal("done");
    });

    it("counts each signing wallet by itself, and all unsigned uploads together", async () => {
      const store = await open({ addressBytes: 1000, unclaimedBytes: 1500, walletBytes: 5000 });
      const wallet: Uploader = { kind: "wallet", account: "0xA" };
      expect(await codeOf(store.begin(rootOfBytes(content(900, 3)), ALICE))).to.equal("done");
      expect(await codeOf(store.begin(rootOfBytes(content(900, 5)), BOB))).to.equal("claim-needed");
      expect(await codeOf(store.begin(rootOfBytes(content(4000, 7)), wallet))).to.equal("done");
      const more = store.begin(rootOfBytes(content(1001, 9)), wallet);
      expect(await codeOf(more)).to.equal("quota-exceeded");
    });

    it("accepts unannounced content that a task refers to, up to the size that a dataset may have", async () => {
      const store = await open({ addressBytes: 0, taskBytes: 1000 });
      const [small, large] = [rootOfBytes(content(900, 3)), rootOfBytes(content(1001, 5))];
      references.add(small.root).add(large.root);
      expect(await codeOf(store.begin(small, ALICE))).to.equal("done");
      expect(await codeOf(store.begin(large, ALICE))).to.equal("claim-needed");
    });
  });

  describe("of time", () => {
    const AGE = 24 * HOUR;

    /** Makes the store check for expiry, which it does before an upload. */
    async function look(store: BlobStore): Promise<void> {
      await store.begin(rootOfBytes(content(10, 13)));
    }
    const isThere = (store: BlobStore, root: Root) => store.size(root) !== undefined;

    it("deletes a blob and its list after no task has referred to it for long enough", async () => {
      const store = await open({ unreferencedAfterMs: AGE });
      const root = await publish(store, content(500, 3));
      now += AGE - HOUR;
      await look(store);
      expect(isThere(store, root)).to.equal(true);
      now += 2 * HOUR;
      await look(store);
      expect(isThere(store, root)).to.equal(false);
      expect(await readdir(join(directory, "blobs"))).to.deep.equal([]);
    });

    it("keeps what a task refers to, and counts from its end, also after a restart", async () => {
      let store = await open({ unreferencedAfterMs: AGE });
      const root = await publish(store, content(500, 3));
      references.add(root);
      now += 5 * AGE;
      await look(store);
      references.clear();
      now += AGE - HOUR;
      store = await open({ unreferencedAfterMs: AGE });
      await look(store);
      expect(isThere(store, root)).to.equal(true);
      now += 2 * HOUR;
      await look(store);
      expect(isThere(store, root)).to.equal(false);
    });

    it("restarts the period for a content that is uploaded again, even if nothing is sent", async () => {
      const store = await open({ unreferencedAfterMs: AGE });
      const bytes = content(500, 3);
      const root = await publish(store, bytes);
      now += AGE - HOUR;
      expect((await store.begin(rootOfBytes(bytes))).complete).to.equal(true);
      now += AGE - HOUR;
      await look(store);
      expect(isThere(store, root)).to.equal(true);
    });

    it("deletes nothing while it is not known what tasks refer to", async () => {
      const store = await open({ unreferencedAfterMs: AGE }, { references: () => null });
      const root = await publish(store, content(500, 3));
      now += 5 * AGE;
      await look(store);
      expect(isThere(store, root)).to.equal(true);
    });

    it("deletes nothing if no expiry is set", async () => {
      const store = await open({});
      const root = await publish(store, content(500, 3));
      await utimes(store.blobPath(root), 1, 1);
      await look(store);
      expect(isThere(store, root)).to.equal(true);
    });
  });

  describe("for slow clients", () => {
    const TIMEOUT_MS = 300;
    let app: FastifyInstance;
    let socket: Socket;
    const list = rootOfBytes(content(500, 3));

    beforeEach(async () => {
      const limits = { ...LIMITS, segmentTimeoutMs: TIMEOUT_MS };
      app = await createStorageServer({ directory, limits });
      await app.listen({ host: "127.0.0.1", port: 0 });
      socket = connect((app.server.address() as AddressInfo).port, "127.0.0.1");
      socket.on("error", () => {});
      socket.resume();
      await once(socket, "connect");
      const url = `/uploads/${list.root}?size=500`;
      const headers = { "content-type": "application/octet-stream" };
      await app.inject({ method: "PUT", url, headers, payload: Buffer.from(list.segmentRoots) });
    });
    afterEach(async () => {
      socket.destroy();
      await app.close();
    });

    /** Sends a byte now and then until the node disconnects. @returns milliseconds until then. */
    async function drip(): Promise<number> {
      const start = performance.now();
      const closed = new Promise((resolve) => socket.once("close", resolve));
      const timer = setInterval(() => socket.write("x"), TIMEOUT_MS / 10);
      try {
        await Promise.race([closed, wait(10_000)]);
      } finally {
        clearInterval(timer);
      }
      return performance.now() - start;
    }

    for (const [what, start] of [
      [
        "a segment",
        `PUT /uploads/${list.root}/segments/0 HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 500\r\n\r\n`,
      ],
      ["its headers", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "],
    ] as const) {
      it(`disconnects clients that send ${what} byte by byte, and serves others meanwhile`, async () => {
        socket.write(start);
        const dripping = drip();
        expect((await app.inject(`/blobs/${list.root}`)).statusCode).to.equal(404);
        expect(await dripping).to.be.below(5_000);
        const url = `/uploads/${list.root}/segments/0`;
        const headers = { "content-type": "application/octet-stream" };
        const payload = Buffer.from(content(500, 3));
        const put = await app.inject({ method: "PUT", url, headers, payload });
        expect(put.statusCode).to.equal(204);
      });
    }

    it("refuses a body of unknown length, and one longer than a run of segments", async () => {
      const url = `/uploads/${list.root}/segments/0`;
      for (const [length, status] of [
        ["Transfer-Encoding: chunked", 411],
        [`Content-Length: ${2 ** 40}`, 413],
      ]) {
        const own = connect((app.server.address() as AddressInfo).port, "127.0.0.1");
        own.on("error", () => {});
        own.write(
          `PUT ${url} HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n${length}\r\n\r\n`,
        );
        const [answer] = await once(own, "data");
        expect(String(answer)).to.match(new RegExp(`^HTTP/1.1 ${status} `));
        own.destroy();
      }
    });
  });
});
