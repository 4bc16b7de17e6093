import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { download } from "../../../../sdk/storage/download.ts";
import { rootOfBytes } from "../../../../sdk/storage/tree/RootHasher.ts";
import { SEGMENT_BYTES } from "../../../../sdk/storage/tree/segment.ts";
import { upload } from "../../../../sdk/storage/upload.ts";
import { failingFlush } from "../../../helpers/failingFlush.ts";
import { fullDisk } from "../../../helpers/fullDisk.ts";
import { rejection } from "../../../helpers/rejection.ts";
import { StorageNode } from "./storageNode.ts";

const SEGMENTS = 40;
const bytes = Uint8Array.from(
  { length: SEGMENTS * SEGMENT_BYTES - 700 },
  (_, i) => Math.imul(i + 1, 2654435761) >>> 24,
);
const list = rootOfBytes(bytes);

describe("transfer under faults", () => {
  let directory: string;
  let source: string;
  let target: string;
  let node: StorageNode;
  const servers: Server[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "anneal-faults-"));
    [source, target] = [join(directory, "source"), join(directory, "target")];
    node = await StorageNode.start(join(directory, "node"));
    await writeFile(source, bytes);
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
    await node.stop();
    await rm(directory, { recursive: true });
  });

  async function serve(listener: RequestListener): Promise<string> {
    const server = createServer(listener).listen(0, "127.0.0.1");
    servers.push(server);
    await once(server, "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** A storage that has the content, and serves its ranges as `spoil` says. */
  function spoiled(spoil: (part: Uint8Array, response: ServerResponse) => void): Promise<string> {
    return serve((request, response) => {
      if (request.method === "HEAD") {
        response.writeHead(200, { "content-length": bytes.length }).end();
      } else if (request.url!.endsWith("/segments")) {
        response.end(list.segmentRoots);
      } else {
        const [start, end] = request.headers.range!.match(/\d+/g)!.map(Number) as [number, number];
        spoil(bytes.slice(start, end + 1), response);
      }
    });
  }

  const send = (part: Uint8Array, response: ServerResponse) =>
    response.writeHead(206, { "content-length": part.length }).end(part);

  async function expectTarget(): Promise<void> {
    expect((await readFile(target)).equals(bytes)).to.equal(true);
    const left = (await readdir(directory)).filter((name) => name.startsWith("target."));
    expect(left).to.deep.equal([]);
  }

  const FAULTS: Record<string, (part: Uint8Array, response: ServerResponse) => void> = {
    "flips a bit": (part, response) => {
      part[part.length - 1]! ^= 1;
      send(part, response);
    },
    "truncates its answers": (part, response) => {
      response.writeHead(206, { "content-length": part.length }).write(part.subarray(0, -1));
      response.destroy();
    },
    "declares its answers shorter": (part, response) => {
      send(part.subarray(0, -1), response);
    },
    "swaps halves of its answers": (part, response) => {
      const middle = part.length >>> 1;
      send(Buffer.concat([part.subarray(middle), part.subarray(0, middle)]), response);
    },
    "never ends its answers": (_, response) => {
      response.writeHead(206);
      const pour = () => response.destroyed || response.write(Buffer.alloc(SEGMENT_BYTES), pour);
      pour();
    },
    refuses: (_, response) => {
      response.writeHead(500).end("{}");
    },
  };

  describe("from several storages", () => {
    it("takes parts of the file from each", async () => {
      await upload(node.url, source);
      node.answered.length = 0;
      let parts = 0;
      const second = await spoiled((part, response) => {
        parts++;
        send(part, response);
      });
      await download(`${node.url}, ${second}`, list.root, target);
      expect(parts).to.be.greaterThan(0);
      expect(node.segments.length).to.be.within(1, SEGMENTS - 1);
      await expectTarget();
    });

    for (const [fault, spoil] of Object.entries(FAULTS)) {
      it(`drops one that ${fault}, and fetches its parts elsewhere`, async () => {
        await upload(node.url, source);
        let asked = 0;
        const bad = await spoiled((part, response) => {
          asked++;
          spoil(part, response);
        });
        const dropped: string[] = [];
        const onDropped = ({ message }: Error) => dropped.push(message);
        await download(`${bad},${node.url}`, list.root, target, { onDropped });
        expect(dropped).to.have.length(1);
        // A broken connection is retried before its source is given up.
        expect(asked).to.be.within(1, 8);
        await expectTarget();
      });
    }

    it("asks the next one for the list if the first lacks the file, sends wrong data or is down", async () => {
      await upload(node.url, source);
      const empty = await StorageNode.start(join(directory, "empty"));
      const liar = await serve((request, response) => {
        if (request.method === "HEAD") response.writeHead(200, { "content-length": 7 }).end();
        else response.end(Buffer.alloc(32));
      });
      const dropped: string[] = [];
      const onDropped = ({ code }: { code: string }) => dropped.push(code);
      const urls = ["http://127.0.0.1:9", empty.url, liar, node.url].join(",");
      await download(urls, list.root, target, { onDropped });
      await empty.stop();
      expect(dropped).to.deep.equal(["network", "not-found", "integrity"]);
      await expectTarget();
    });

    it("fails if all send wrong data, keeps what was right, and never publishes a wrong file", async () => {
      const [first, second] = [await spoiled(FAULTS["flips a bit"]!), await spoiled(send)];
      const error = await rejection(download(`${first},${first}`, list.root, target));
      expect(error.code).to.equal("integrity");
      expect(await readdir(directory)).to.not.include("target");
      await download(second, list.root, target);
      await expectTarget();
    });
  });

  describe("on a full disk", () => {
    it("a download says so, leaves no file, and continues when there is space again", async () => {
      await upload(node.url, source);
      {
        using _full = await fullDisk(12 * SEGMENT_BYTES);
        const error = await rejection(download(node.url, list.root, target));
        expect(error.message).to.include("The disk is full");
        expect(await readdir(directory)).to.not.include("target");
      }
      const marks = (await readFile(`${target}.part.have`)).subarray(40);
      const kept = marks.reduce((sum, mark) => sum + mark, 0);
      expect(kept).to.be.within(8, 12);
      node.answered.length = 0;
      await download(node.url, list.root, target);
      expect(node.segments).to.have.length(SEGMENTS - kept);
      await expectTarget();
    });

    it("an upload says so, and later sends only what was not stored", async () => {
      {
        using _full = await fullDisk(12 * SEGMENT_BYTES);
        const error = await rejection(upload(node.url, source));
        expect(error.message).to.include("The disk is full");
        await node.stop(); // segments in flight find no space either
      }
      node = await StorageNode.start(join(directory, "node"));
      const part = join(directory, "node", "incoming", `${list.root}.part.have`);
      const kept = (await readFile(part)).subarray(40).reduce((sum, mark) => sum + mark, 0);
      expect(kept).to.be.within(8, 12);
      const { sent } = await upload(node.url, source);
      expect(Math.ceil(sent / SEGMENT_BYTES)).to.equal(SEGMENTS - kept);
      await download(node.url, list.root, target);
      await expectTarget();
    });
  });

  // A failed flush is not retried: the second one would report success without the data being on disk.
  for (const name of ["datasync", "sync"] as const) {
    describe(`on a disk whose ${name} fails`, () => {
      it("a download leaves no file, and fetches everything again", async () => {
        await upload(node.url, source);
        {
          using _failing = await failingFlush(name);
          const error = await rejection(download(node.url, list.root, target));
          expect(error.message).to.include("cannot be written (EIO)");
          expect(error.hint).to.include("Check the disk");
          expect(await readdir(directory)).to.not.include("target");
        }
        node.answered.length = 0;
        await download(node.url, list.root, target);
        expect(node.segments).to.have.length(SEGMENTS);
        await expectTarget();
      });

      it("an upload fails, and sends everything again", async () => {
        {
          const ofSegmentList = name === "sync" ? 2 : 0; // that and its directory are flushed first
          using _failing = await failingFlush(name, ofSegmentList);
          await rejection(upload(node.url, source));
        }
        expect(await readdir(join(directory, "node", "blobs"))).to.not.include(list.root);
        const { sent } = await upload(node.url, source);
        expect(sent).to.equal(bytes.length);
        await download(node.url, list.root, target);
        await expectTarget();
      });
    });
  }

  it("an upload over connections that break asks what has arrived, and sends only the rest", async () => {
    const { port } = node.app.server.address() as AddressInfo;
    let broken = 0;
    node.onAnswered = () => {
      if (broken < 2 && node.segments.length > (broken + 1) * 8) {
        broken++;
        node.app.server.closeAllConnections();
      }
    };
    await upload(`http://127.0.0.1:${port}`, source);
    expect(broken).to.equal(2);
    expect(new Set(node.segments).size).to.equal(node.segments.length);
    await download(node.url, list.root, target);
    await expectTarget();
  });
});
