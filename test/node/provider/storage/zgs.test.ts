import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import type { FastifyInstance } from "fastify";
import { afterEach, beforeEach, describe, it } from "mocha";
import { SubmissionLog } from "../../../../provider/storage/SubmissionLog.ts";
import { createStorageServer } from "../../../../provider/storage/storageServer.ts";
import { download } from "../../../../sdk/storage/download.ts";
import { proveSegment, unprovenList } from "../../../../sdk/storage/tree/provenList.ts";
import { rootOfBytes, type SegmentList } from "../../../../sdk/storage/tree/RootHasher.ts";
import { SegmentTree } from "../../../../sdk/storage/tree/SegmentTree.ts";
import {
  SEGMENT_BYTES,
  segmentCount,
  segmentLength,
} from "../../../../sdk/storage/tree/segment.ts";
import { upload } from "../../../../sdk/storage/upload.ts";
import { WIDE_LIMITS } from "../../sdk/storage/storageNode.ts";

const FLOW = { chainId: 31337, address: `0x${"5f".repeat(20)}` };
const HASH = `0x${"b1".repeat(32)}`;

interface Answer {
  readonly id: unknown;
  readonly result?: never;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: string };
}

describe("0G's JSON-RPC of the embedded storage node", () => {
  let folder: string;
  let node: FastifyInstance;
  let url: string;
  let submissions: SubmissionLog;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "anneal-zgs-"));
    submissions = new SubmissionLog(FLOW);
    const directory = join(folder, "node");
    node = await createStorageServer({ directory, limits: WIDE_LIMITS, submissions });
    url = await node.listen({ host: "127.0.0.1", port: 0 });
  });

  afterEach(async () => {
    await node.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Posts a body unchanged. */
  async function post(body: string): Promise<Answer> {
    const headers = { "content-type": "application/json" };
    const response = await fetch(url, { method: "POST", headers, body });
    expect(response.status).to.equal(200);
    return (await response.json()) as Answer;
  }

  const call = (method: string, ...params: unknown[]) =>
    post(JSON.stringify({ jsonrpc: "2.0", id: 7, method, params }));

  async function ask<T>(method: string, ...params: unknown[]): Promise<T> {
    const { result, error } = await call(method, ...params);
    if (error) throw new Error(`${error.message}; data: ${error.data}`);
    return result as T;
  }

  /** A file, announced as number `seq`, unless that is null. */
  function makeFile(size: number, seq: number | null = 0, bytes = randomBytes(size)) {
    const list = rootOfBytes(bytes);
    const { root } = list;
    if (seq !== null) {
      const submission = { seq, root, size, startEntryIndex: 1024 * seq, nodes: [] };
      submissions.advance([submission], { number: seq + 1, hash: HASH });
    }
    return { bytes, list, root };
  }

  const infoOf = (root: string) =>
    ask<{ finalized: boolean; uploadedSegNum: number; tx: Record<string, unknown> } | null>(
      "zgs_getFileInfo",
      root,
      true,
    );

  it("reports its network, and that it has everything", async () => {
    submissions.advance([], { number: 12, hash: HASH });
    expect(await ask("zgs_getStatus")).to.deep.equal({
      connectedPeers: 0,
      logSyncHeight: 12,
      logSyncBlock: HASH,
      nextTxSeq: 0,
      networkIdentity: {
        chainId: 31337,
        flowAddress: FLOW.address,
        p2pProtocolVersion: { major: 0, minor: 0, build: 0 },
      },
    });
    const whole = { shardId: 0, numShard: 1 };
    expect(await ask("zgs_getShardConfig")).to.deep.equal(whole);
    const self = { url, config: whole, latency: 0, since: 0 };
    for (const method of ["indexer_getShardedNodes", "indexer_getSelectedNodes"]) {
      expect(await ask(method)).to.deep.equal({ trusted: [self], discovered: [] });
    }
    const { bytes, root } = makeFile(100);
    expect(await ask("indexer_getFileLocations", root)).to.equal(null);
    await ask("zgs_uploadSegments", segmentsOf(bytes));
    expect(await ask("indexer_getFileLocations", root)).to.deep.equal([self]);
  });

  it("answers invalid requests with an integer code and the id they came with", async () => {
    expect(await post("{")).to.deep.include({ id: null });
    expect((await post("{")).error?.code).to.equal(-32700);
    expect((await call("eth_sendTransaction")).error?.code).to.equal(-32601);
    for (const body of ["[]", "3", "null", '{"id":{},"method":"zgs_getStatus"}', '{"method":3}']) {
      expect((await post(body)).error?.code, body).to.equal(-32600);
    }
    const named = await post('{"id":"a","method":"zgs_getStatus","params":{}}');
    expect(named.error?.code).to.equal(-32600);
    const { id, error } = await call("zgs_getFileInfo", "../../etc/passwd", true);
    expect(id).to.equal(7);
    expect(error).to.deep.include({ code: -32602, message: "Invalid params: root" });
    for (const params of [[], [-1, 0], [1.5, 0], ["0", 0], [2 ** 60, 0]]) {
      const answer = await call("zgs_downloadSegmentWithProofByTxSeq", ...params);
      expect(answer.error?.code, JSON.stringify(params)).to.equal(-32602);
    }
  });

  it("does not know a file before it is announced or stored", async () => {
    const { root } = rootOfBytes(randomBytes(5));
    expect(await infoOf(root)).to.equal(null);
    expect(await ask("zgs_getFileInfoByTxSeq", 0)).to.equal(null);
    expect(await ask("zgs_getFileInfoByTxSeq", 2 ** 52)).to.equal(null);
    expect(await ask("zgs_checkFileFinalized", root)).to.equal(null);
    expect(await ask("zgs_downloadSegment", root, 0, 1)).to.equal(null);
    expect(await ask("zgs_downloadSegmentWithProof", root, 0)).to.equal(null);
  });

  it("accepts the segments of an announced file in any order, and finalizes it with the last one", async () => {
    const size = 2 * SEGMENT_BYTES + 1000;
    const { bytes, root } = makeFile(size);
    const segments = segmentsOf(bytes);
    expect(await infoOf(root)).to.deep.include({ finalized: false, uploadedSegNum: 0 });
    expect(await ask("zgs_uploadSegmentByTxSeq", segments[2], 0)).to.equal(0);
    expect(await ask("zgs_uploadSegments", [segments[1], segments[1]])).to.equal(0);
    expect(await ask("zgs_checkFileFinalized", 0)).to.equal(false);
    expect(await ask("zgs_uploadSegmentsByTxSeq", [segments[0]], 0)).to.equal(0);
    expect(await ask("zgs_checkFileFinalized", root)).to.equal(true);
    const info = await infoOf(root);
    expect(info).to.deep.include({ finalized: true, uploadedSegNum: 3 });
    expect(info!.tx).to.deep.include({ dataMerkleRoot: root, size, seq: 0, startEntryIndex: 0 });
    expect(await ask("zgs_getFileInfoByTxSeq", 0)).to.deep.equal(info);
    await download(url, root, join(folder, "ours"));
    expect((await readFile(join(folder, "ours"))).equals(bytes)).to.equal(true);
  });

  it("accepts small files before they are announced, as 0G's node does", async () => {
    const bytes = randomBytes(300);
    await ask("zgs_uploadSegments", segmentsOf(bytes));
    const { root } = makeFile(300, 4, bytes);
    expect(await infoOf(root)).to.deep.include({ finalized: true });
    expect((await infoOf(root))!.tx.seq).to.equal(4);
  });

  it("refuses with 0G's own messages, which clients rely on", async () => {
    const { bytes, root } = makeFile(100);
    const [segment] = segmentsOf(bytes);
    const expectRefusal = async (params: unknown[], message: string, data: string) => {
      const { error } = await call("zgs_uploadSegmentsByTxSeq", ...params);
      expect(error).to.deep.equal({ code: -32602, message: `Invalid params: ${message}`, data });
    };
    const mismatch = "segment file size not matched with tx file size";
    await expectRefusal([[{ ...segment, fileSize: 101 }], 0], "file_size", mismatch);
    await expectRefusal([[segment], 1], "root", "data root not found");
    await expectRefusal([[{ ...segment, index: 1 }], 0], "index", "index out of bound");
    const unpadded = { ...segment, data: bytes.toString("base64") };
    await expectRefusal([[unpadded], 0], "data", "invalid data length");
    await ask("zgs_uploadSegmentsByTxSeq", [segment], 0);
    await expectRefusal([[segment], 0], "root", "already uploaded and finalized");
    const bounds = await call("zgs_downloadSegment", root, 0, 2);
    expect(bounds.error).to.deep.include({ data: "index out of bound" });
    const wide = await call("zgs_downloadSegment", root, 0, 1025);
    expect(wide.error).to.deep.include({ data: "exceeds maximum chunks 1024" });
  });

  it("refuses wrong bytes, positions and proofs, and accepts the right ones after that", async () => {
    const { bytes, root } = makeFile(5 * SEGMENT_BYTES);
    const segments = segmentsOf(bytes);
    const [first, second] = [segments[0]!, segments[1]!];
    const flipped = Buffer.from(first.data, "base64");
    flipped[77]! ^= 1;
    const { lemma, path } = first.proof;
    const lies = [
      { ...first, data: flipped.toString("base64") },
      { ...first, index: 2 },
      { ...first, index: 1, data: second.data },
      { ...first, proof: second.proof },
      { ...first, proof: { lemma, path: path.map((isLeft) => !isLeft) } },
      { ...first, proof: { lemma: lemma.slice(1), path: path.slice(1) } },
      { ...first, proof: { lemma: [...lemma, lemma[0]], path: [...path, true] } },
      { ...first, proof: { lemma: [lemma[0]], path: [] } },
      { ...segments[4]!, proof: first.proof },
    ];
    for (const [index, lie] of lies.entries()) {
      const { error } = await call("zgs_uploadSegments", [lie]);
      expect(error?.code, `lie ${index}`).to.equal(-32602);
    }
    await ask("zgs_uploadSegments", segments);
    expect(await ask("zgs_checkFileFinalized", root)).to.equal(true);
  });

  it("never publishes a file that is declared too short, even if every proof is valid", async () => {
    // 33 segments are padded to 36: the tree of a file of 36 has the same shape.
    const { bytes, list } = makeFile(36 * SEGMENT_BYTES, null);
    const segments = segmentsOf(bytes).slice(0, 33);
    const short = segments.map((segment) => ({ ...segment, fileSize: 33 * SEGMENT_BYTES }));
    for (let first = 0; first < 32; first += 8) {
      await ask("zgs_uploadSegments", short.slice(first, first + 8));
    }
    const { error } = await call("zgs_uploadSegments", short.slice(32));
    expect(error?.data).to.match(/does not hash to/);
    expect((await fetch(`${url}/blobs/${list.root}`, { method: "HEAD" })).status).to.equal(404);
  });

  it("serves what our own client uploaded, and completes what it uploaded partially", async () => {
    const { bytes, root } = makeFile(3 * SEGMENT_BYTES, 9);
    const path = join(folder, "file");
    await writeFile(path, bytes);
    await ask("zgs_uploadSegments", segmentsOf(bytes).slice(1, 2));
    const { sent } = await upload(url, path);
    expect(sent).to.equal(2 * SEGMENT_BYTES);
    expect(await ask("zgs_checkFileFinalized", 9)).to.equal(true);

    const unannounced = join(folder, "unannounced");
    await writeFile(unannounced, randomBytes(700));
    const other = await upload(url, unannounced);
    const info = (await infoOf(other.root))!;
    expect(info.finalized).to.equal(true);
    const data = await ask<string>("zgs_downloadSegmentByTxSeq", info.tx.seq, 0, 3);
    const chunks = Buffer.from(data, "base64");
    expect(chunks.length).to.equal(768);
    expect(chunks.subarray(0, 700).equals(await readFile(unannounced))).to.equal(true);
    expect(root).not.to.equal(other.root);
  });

  it("accepts many segments at once, as the official TypeScript client sends them", async () => {
    const { bytes, root } = makeFile(40 * SEGMENT_BYTES - 5);
    const segments = segmentsOf(bytes);
    await Promise.all(segments.map((segment) => ask("zgs_uploadSegmentsByTxSeq", [segment], 0)));
    expect(await ask("zgs_checkFileFinalized", root)).to.equal(true);
  });

  it("proves every segment of files of any size", async () => {
    let seq = 0;
    const sizes = fc.oneof(
      fc.integer({ min: 1, max: 2000 }),
      fc.integer({ min: 1, max: 8 }).map((segments) => segments * SEGMENT_BYTES),
      fc.integer({ min: 1, max: 8 * SEGMENT_BYTES }),
    );
    await fc.assert(
      fc.asyncProperty(sizes, async (size) => {
        const { bytes, root } = makeFile(size, seq++);
        const sent = segmentsOf(bytes);
        await ask("zgs_uploadSegments", sent);
        const list = unprovenList(root, size);
        for (const segment of sent) {
          const { index } = segment;
          const got = await ask<typeof segment>("zgs_downloadSegmentWithProof", root, index);
          expect(got).to.deep.equal(segment);
          const length = segmentLength(index, size);
          const data = Buffer.from(got.data, "base64").subarray(0, length);
          expect(proveSegment(list, index, data, got.proof)).to.equal(true);
        }
        expect(list.segmentRoots).to.deep.equal(rootOfBytes(bytes).segmentRoots);
      }),
      { numRuns: 15 },
    );
  });
});

/** All segments of a file as 0G's clients send them. */
function segmentsOf(bytes: Buffer) {
  const list: SegmentList = rootOfBytes(bytes);
  const tree = new SegmentTree(list);
  return Array.from({ length: segmentCount(list.size) }, (_, index) => {
    const start = index * SEGMENT_BYTES;
    const part = bytes.subarray(start, start + segmentLength(index, list.size));
    const padded = Buffer.alloc(Math.ceil(part.length / 256) * 256);
    part.copy(padded);
    const data = padded.toString("base64");
    return { root: list.root, data, index, proof: tree.prove(index), fileSize: list.size };
  });
}
