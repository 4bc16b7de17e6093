import { randomBytes } from "node:crypto";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import { type Client, createClient } from "../../../../sdk/client.ts";
import type { Root } from "../../../../sdk/ids.ts";
import { rootOfFile } from "../../../../sdk/storage/root.ts";
import { SEGMENT_BYTES } from "../../../../sdk/storage/tree/segment.ts";
import { downloadFromZeroG } from "../../../../sdk/storage/zerog/downloadFromZeroG.ts";
import { parseZeroG } from "../../../../sdk/storage/zerog/endpoint.ts";
import { existsOnZeroG } from "../../../../sdk/storage/zerog/existsOnZeroG.ts";
import type { Timing } from "../../../../sdk/storage/zerog/Network.ts";
import { payerOf } from "../../../../sdk/storage/zerog/payerOf.ts";
import { uploadToZeroG } from "../../../../sdk/storage/zerog/uploadToZeroG.ts";
import { type FlowChain, startFlowChain } from "../../../helpers/flowChain.ts";
import { rejection } from "../../../helpers/rejection.ts";
import { type Behaviour, honest, ZeroGNetwork } from "./zeroGNetwork.ts";

const TIMING: Timing = { call: 20_000, poll: 20, timeout: 20_000 };
/** For nodes that do not answer: every attempt takes a full timeout. */
const IMPATIENT: Timing = { ...TIMING, call: 1_000 };
const DOWNLOAD = /^zgs_downloadSegment/;
const UPLOAD = /^zgs_uploadSegment/;

/** The segments of their file that a call is about. */
function segmentsIn(method: string, params: Parameters<Behaviour>[0]["params"]): number[] {
  if (UPLOAD.test(method)) return params[0].map((segment: { index: number }) => segment.index);
  return DOWNLOAD.test(method) ? [params[1]] : [];
}

/** Misbehaves on calls whose method matches, and is honest otherwise. */
const when =
  (method: RegExp, behaviour: Behaviour): Behaviour =>
  (call, ask) =>
    method.test(call.method) ? behaviour(call, ask) : ask();

const flipsAByte = when(DOWNLOAD, async (_, ask) => {
  const { result } = await ask();
  const data = Buffer.from(result.data, "base64");
  data[data.length - 1]! ^= 1;
  return { result: { ...result, data: data.toString("base64") } };
});
/** Valid bytes with a valid proof, of another position. */
const sendsAnother = when(DOWNLOAD, async ({ method, params: [seq, index] }, ask) =>
  ask({ method, params: [seq, index === 0 ? 1 : 0] }),
);
const sendsLess = when(DOWNLOAD, async (_, ask) => {
  const { result } = await ask();
  return { result: { ...result, data: result.data.slice(0, -400) } };
});
const sendsOtherProof = when(DOWNLOAD, async (_, ask) => {
  const { result } = await ask();
  return { result: { ...result, proof: { lemma: [result.root], path: [] } } };
});
const stalls = when(DOWNLOAD, () => "stall");
const cutsOff = when(DOWNLOAD, () => "cut");
const hasNothing = when(DOWNLOAD, () => ({ result: null }));
const sendsNonsense = when(DOWNLOAD, () => ({ result: 17 }));
const liesAboutTheSize = when(/getFileInfo/, async (_, ask) => {
  const { result } = await ask();
  return { result: result && { ...result, tx: { ...result.tx, size: result.tx.size - 1 } } };
});

describe("storage in 0G's network", () => {
  let chain: FlowChain;
  let client: Client;
  let folder: string;
  let network: ZeroGNetwork;

  before(async () => {
    chain = await startFlowChain();
    const { rpcUrl, deployment, accounts } = chain;
    const { privateKey } = accounts[3]!;
    client = createClient({ rpcUrl, deployment, storageUrl: "", privateKey, pollingInterval: 20 });
  });

  after(async () => {
    client?.provider.destroy();
    await chain?.close();
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "anneal-zerog-"));
    network = new ZeroGNetwork(chain, folder);
  });

  afterEach(async () => {
    await network.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function makeFile(size: number, name = "file") {
    const path = join(folder, name);
    const bytes = randomBytes(size);
    await writeFile(path, bytes);
    return { path, bytes, root: (await rootOfFile(path)).root };
  }

  const upload = async (endpoint: string, path: string, timing = TIMING) =>
    uploadToZeroG(parseZeroG(endpoint)!, path, { payer: () => payerOf(client) }, timing);

  const download = (endpoint: string, root: Root, timing = TIMING, signal?: AbortSignal) =>
    downloadFromZeroG(
      parseZeroG(endpoint)!,
      root,
      join(folder, "back"),
      { ...(signal && { signal }) },
      timing,
    );

  const back = () => readFile(join(folder, "back"));
  const transactions = async () =>
    client.provider.getTransactionCount(await client.signer!.getAddress());

  /** A file that one honest node stores. */
  async function stored(size: number) {
    const target = await network.addNode();
    const file = await makeFile(size);
    const front = await network.addFront(target, honest);
    await upload(await network.list(front), file.path);
    return { ...file, target, front };
  }

  for (const size of [1, 256, 257, SEGMENT_BYTES, SEGMENT_BYTES + 1, 17 * SEGMENT_BYTES + 5]) {
    it(`uploads and downloads ${size} bytes`, async () => {
      const endpoint = await network.list(await network.addFront(await network.addNode(), honest));
      const { path, bytes, root } = await makeFile(size);
      expect(await upload(endpoint, path)).to.deep.equal({ root, size, sent: size });
      expect(await existsOnZeroG(parseZeroG(endpoint)!, root)).to.equal(true);
      expect(await download(endpoint, root)).to.deep.equal({ size });
      expect((await back()).equals(bytes)).to.equal(true);
    });
  }

  it("sends and pays for nothing that is stored already", async () => {
    const { path, root, front } = await stored(SEGMENT_BYTES);
    const endpoint = await network.list(front);
    const before = await transactions();
    expect(await upload(endpoint, path)).to.deep.equal({ root, size: SEGMENT_BYTES, sent: 0 });
    expect(await transactions()).to.equal(before);
  });

  it("pays once for a file whose upload was interrupted", async () => {
    const { path, bytes, root } = await makeFile(9 * SEGMENT_BYTES);
    const refuses = when(UPLOAD, () => ({ error: { code: -32603, message: "out of order" } }));
    const front = await network.addFront(await network.addNode(), refuses);
    const endpoint = await network.list(front);
    const before = await transactions();
    const error = await rejection(upload(endpoint, path));
    expect(error.code).to.equal("network");
    expect(error.message).to.include("out of order");
    front.behaviour = honest;
    await upload(endpoint, path);
    expect(await transactions()).to.equal(before + 1);
    await download(endpoint, root);
    expect((await back()).equals(bytes)).to.equal(true);
  });

  it("uses nodes that store one part each, and finds every segment again", async () => {
    const target = await network.addNode();
    const parts = await Promise.all(
      [0, 1].map((shardId) => network.addFront(target, honest, { shardId, numShard: 2 })),
    );
    // The file's position in the log decides which part a segment belongs to.
    for (const part of parts) {
      part.behaviour = async ({ method, params }, ask) => {
        const { result } = await ask({ method: "zgs_getFileInfo", params: [root, true] });
        const first = result === null ? 0 : result.tx.startEntryIndex / 1024;
        const indices = segmentsIn(method, params);
        const { shardId } = part.shard;
        const isOurs = indices.every((index: number) => (first + index) % 2 === shardId);
        if (!isOurs) return { error: { code: -32603, message: "not my part" } };
        // Each has its part when the node has: both report completion as soon as they have theirs.
        if (method === "zgs_getFileInfo" && result) {
          const sent = part.count(UPLOAD) > 0;
          return { result: { ...result, finalized: result.finalized || sent } };
        }
        return ask();
      };
    }
    const { path, bytes, root } = await makeFile(12 * SEGMENT_BYTES + 3);
    const endpoint = await network.list(...parts);
    await upload(endpoint, path);
    await download(endpoint, root);
    expect((await back()).equals(bytes)).to.equal(true);
    const half = await network.list(parts[1]!);
    expect(await existsOnZeroG(parseZeroG(half)!, root)).to.equal(false);
    expect((await rejection(download(half, root, IMPATIENT))).code).to.equal("network");
    expect((await rejection(upload(half, path))).message).to.match(/do not store all of/);
  });

  const LIARS: Record<string, Behaviour> = {
    "flips a byte": flipsAByte,
    "sends another segment with a valid proof": sendsAnother,
    "sends too little": sendsLess,
    "sends an invalid proof": sendsOtherProof,
  };
  for (const [what, lie] of Object.entries(LIARS)) {
    it(`no longer asks a node that ${what}, and gets everything from another`, async () => {
      const { bytes, root, target, front } = await stored(12 * SEGMENT_BYTES);
      const liar = await network.addFront(target, lie);
      await download(await network.list(liar, front), root);
      expect((await back()).equals(bytes)).to.equal(true);
      expect(liar.count(DOWNLOAD)).to.be.within(1, 4); // as many as run concurrently
    });

    it(`keeps nothing if the only node ${what}`, async () => {
      const { root, target } = await stored(5 * SEGMENT_BYTES);
      const liar = await network.addFront(target, lie);
      const error = await rejection(download(await network.list(liar), root));
      expect(error.code).to.equal("integrity");
      expect(await access(join(folder, "back")).catch(() => "nothing")).to.equal("nothing");
    });
  }

  const FAILING: Record<string, Behaviour> = {
    "does not answer": stalls,
    "truncates its answers": cutsOff,
    "claims to have what it lacks": hasNothing,
    "sends invalid answers": sendsNonsense,
  };
  for (const [what, fault] of Object.entries(FAILING)) {
    it(`leaves a node that ${what}`, async () => {
      const { bytes, root, target, front } = await stored(20 * SEGMENT_BYTES);
      const failing = await network.addFront(target, fault);
      await download(await network.list(failing, front), root, IMPATIENT);
      expect((await back()).equals(bytes)).to.equal(true);
      expect(failing.count(DOWNLOAD)).to.be.below(15);
    });

    it(`reports it if the only node ${what}`, async () => {
      const { root, target } = await stored(5 * SEGMENT_BYTES);
      const failing = await network.addFront(target, fault);
      const error = await rejection(download(await network.list(failing), root, IMPATIENT));
      expect(error.code).to.equal("network");
    });
  }

  it("retries a node that fails intermittently", async () => {
    const { bytes, root, target } = await stored(12 * SEGMENT_BYTES);
    let calls = 0;
    const moody = when(DOWNLOAD, (_, ask) => (calls++ % 5 === 4 ? "cut" : ask()));
    await download(await network.list(await network.addFront(target, moody)), root);
    expect((await back()).equals(bytes)).to.equal(true);
  });

  it("accepts only a size that is proven", async () => {
    const { bytes, root, target, front } = await stored(3 * SEGMENT_BYTES);
    const liars = await Promise.all([1, 2].map(() => network.addFront(target, liesAboutTheSize)));
    await download(await network.list(...liars, front), root);
    expect((await back()).equals(bytes)).to.equal(true);
  });

  it("resumes an interrupted download", async () => {
    const { bytes, root, target } = await stored(20 * SEGMENT_BYTES);
    const stop = new AbortController();
    let calls = 0;
    const front = await network.addFront(
      target,
      when(DOWNLOAD, (_, ask) => {
        if (++calls === 12) stop.abort(new Error("enough"));
        return ask();
      }),
    );
    const endpoint = await network.list(front);
    const error = await download(endpoint, root, TIMING, stop.signal).catch((reason) => reason);
    expect(error.message).to.equal("enough");
    front.calls.length = 0;
    await download(endpoint, root);
    expect((await back()).equals(bytes)).to.equal(true);
    expect(front.count(DOWNLOAD)).to.be.within(1, 13);
  });

  it("uploads a file to another node if one accepts it and never has it", async () => {
    const swallows = await network.addFront(
      await network.addNode(),
      when(UPLOAD, () => ({ result: 0 })),
    );
    const good = await network.addFront(await network.addNode(), honest);
    const { path, bytes, root } = await makeFile(6 * SEGMENT_BYTES);
    await upload(await network.list(swallows, good), path, { ...TIMING, timeout: 1_000 });
    await download(await network.list(good), root);
    expect((await back()).equals(bytes)).to.equal(true);
  });

  for (const [what, fault] of Object.entries({ stall: "stall", "cut off": "cut" } as const)) {
    it(`uploads a file to another node if uploads to one ${what}`, async () => {
      const failing = await network.addFront(
        await network.addNode(),
        when(UPLOAD, () => fault),
      );
      const good = await network.addFront(await network.addNode(), honest);
      const { path, bytes, root } = await makeFile(6 * SEGMENT_BYTES);
      await upload(await network.list(failing, good), path, IMPATIENT);
      await download(await network.list(good), root);
      expect((await back()).equals(bytes)).to.equal(true);
    });
  }

  it("waits for an overloaded node, and treats a duplicate as done", async () => {
    let calls = 0;
    const busy = when(UPLOAD, async ({ method, params }, ask) => {
      calls++;
      if (calls === 1) return { error: { code: -32603, message: "too many data writing: 16" } };
      if (calls > 3) return ask();
      await ask({ method, params: [params[0].slice(0, 1), params[1]] });
      const message = "segment has already been uploaded or is being uploaded";
      return { error: { code: -32603, message: "Internal error", data: message } };
    });
    const endpoint = await network.list(await network.addFront(await network.addNode(), busy));
    const { path, bytes, root } = await makeFile(3 * SEGMENT_BYTES);
    await upload(endpoint, path);
    await download(endpoint, root);
    expect((await back()).equals(bytes)).to.equal(true);
  });

  it("reports problems before anything is paid", async () => {
    const front = await network.addFront(await network.addNode(), honest);
    const endpoint = await network.list(front);
    const { path, root } = await makeFile(10);
    const before = await transactions();
    const unpaid = await rejection(uploadToZeroG(parseZeroG(endpoint)!, path, {}, TIMING));
    expect(unpaid.code).to.equal("usage");
    expect(unpaid.next).to.deep.equal({ setting: "privateKey" });
    const noFlow = await rejection(upload(endpoint.split("?")[0]!, path));
    expect(noFlow.message).to.equal("0G's Flow contract on chain 31337 is not known.");
    expect((await rejection(download(endpoint, root))).code).to.equal("not-found");
    expect(await existsOnZeroG(parseZeroG(endpoint)!, root)).to.equal(false);
    expect((await rejection(upload(await network.list(), path))).message).to.match(
      /lists no storage node/,
    );
    const nobody = await rejection(upload("0g+http://127.0.0.1:1", path, TIMING));
    expect(nobody.code).to.equal("network");
    for (const address of ["0g+ftp://a", "0g+", "0g+https://a?flow=0x12"]) {
      expect((await rejection(() => parseZeroG(address))).code, address).to.equal("usage");
    }
    expect(parseZeroG("https://a")).to.equal(null);
    expect(await transactions()).to.equal(before);
  });
});
