import { expect } from "chai";
import { Contract } from "ethers";
import { afterEach, beforeEach, describe, it } from "mocha";
import { pino } from "pino";
import { systemClock } from "../../../../provider/clock.ts";
import { FlowWatcher } from "../../../../provider/storage/FlowWatcher.ts";
import { SubmissionLog } from "../../../../provider/storage/SubmissionLog.ts";
import { submissionNodes } from "../../../../sdk/storage/transfer/submissionNodes.ts";
import { hashChunks } from "../../../../sdk/storage/tree/keccak.ts";
import { rootOfBytes } from "../../../../sdk/storage/tree/RootHasher.ts";
import { SEGMENT_BYTES, segmentCount } from "../../../../sdk/storage/tree/segment.ts";
import { announce } from "../../../../sdk/storage/zerog/flow.ts";
import { type FlowChain, startFlowChain } from "../../../helpers/flowChain.ts";

const PRICE = 10n ** 9n;
const OLDER = [
  "function submit(tuple(uint256 length, bytes tags, tuple(bytes32 root, uint256 height)[] nodes)) payable",
];

/** How the storage node discovers files: from the Flow contract's events. */
describe("announcements of files", () => {
  let chain: FlowChain;
  let submissions: SubmissionLog;
  let watcher: FlowWatcher;

  beforeEach(async () => {
    chain = await startFlowChain();
    submissions = new SubmissionLog({ chainId: 31337, address: chain.flowAddress });
    watcher = new FlowWatcher({
      provider: chain.provider,
      submissions,
      clock: systemClock,
      log: pino({ level: "silent" }),
      pollInterval: 10,
    });
  });

  afterEach(() => chain.close());

  function treeOf(size: number) {
    const bytes = Buffer.alloc(size, size % 251);
    const list = rootOfBytes(bytes);
    const lastSegment = bytes.subarray((segmentCount(size) - 1) * SEGMENT_BYTES);
    return { root: list.root, size, nodes: submissionNodes(list, lastSegment) };
  }

  /** Announces files of these sizes in this order. */
  async function announceAll(...sizes: number[]) {
    const signer = await chain.provider.getSigner(4);
    for (const size of sizes) {
      const { to, data, value } = announce(chain.flowAddress, {
        ...treeOf(size),
        submitter: signer.address,
        price: PRICE,
      });
      await (await signer.sendTransaction({ to, data, value })).wait();
    }
  }

  it("are read with root, size and position, and the contract accepts our trees of any size", async () => {
    const sizes = [1, 256, 257, 5_000, SEGMENT_BYTES, SEGMENT_BYTES + 1, 33 * SEGMENT_BYTES];
    await announceAll(...sizes);
    await watcher.poll();
    expect(submissions.nextSeq).to.equal(sizes.length);
    let end = 1;
    for (const [seq, size] of sizes.entries()) {
      const { root, nodes } = treeOf(size);
      const found = submissions.bySeq(seq)!;
      expect(found).to.deep.include({ seq, root, size, nodes });
      expect(found.startEntryIndex).to.be.at.least(end);
      if (size > SEGMENT_BYTES) expect(found.startEntryIndex % 1024).to.equal(0);
      end = found.startEntryIndex + nodes.reduce((sum, { height }) => sum + 2 ** height, 0);
      expect(submissions.byRoot(root)).to.equal(found);
    }
    const { number, hash } = (await chain.provider.getBlock("latest"))!;
    expect(submissions.synced).to.deep.equal({ number, hash });
  });

  it("count the same if they come from older clients", async () => {
    const { root, size, nodes } = treeOf(700);
    const flow = new Contract(chain.flowAddress, OLDER, await chain.provider.getSigner(5));
    const tree = nodes.map((node) => [node.root, node.height]);
    await (await flow.getFunction("submit")([size, "0x", tree], { value: 3n * PRICE })).wait();
    await watcher.poll();
    expect(submissions.bySeq(0)).to.deep.include({ root, size });
  });

  it("of one root are distinguished by the size if it is known", async () => {
    const short = Buffer.from([7]);
    const long = Buffer.from([7, 0]);
    expect(rootOfBytes(short).root).to.equal(rootOfBytes(long).root);
    const { root } = rootOfBytes(short);
    expect(Buffer.from(hashChunks(short, 1)).toString("hex")).to.equal(root.slice(2));
    const signer = await chain.provider.getSigner(4);
    for (const size of [1, 2]) {
      const nodes = [{ root, height: 0 }];
      const { address: submitter } = signer;
      const call = announce(chain.flowAddress, { size, nodes, submitter, price: PRICE });
      await (await signer.sendTransaction({ ...call })).wait();
    }
    await watcher.poll();
    expect(submissions.byRoot(root, 1)?.seq).to.equal(0);
    expect(submissions.byRoot(root, 2)?.seq).to.equal(1);
    expect(submissions.byRoot(root)?.seq).to.equal(1);
  });

  it("are forgotten after a reorganization, and those of the new chain are read", async () => {
    const before = await chain.snapshot();
    await announceAll(100, 200);
    await watcher.poll();
    expect(submissions.byRoot(treeOf(100).root)?.seq).to.equal(0);
    await chain.revert(before);
    await announceAll(300, 400);
    await watcher.poll();
    expect(submissions.byRoot(treeOf(100).root)).to.equal(undefined);
    expect(submissions.byRoot(treeOf(300).root)?.seq).to.equal(0);
    expect(submissions.nextSeq).to.equal(2);
    await watcher.poll();
    expect(submissions.nextSeq).to.equal(2);
  });

  it("are awaited while the chain does not answer", async () => {
    const stop = new AbortController();
    const deaf = new FlowWatcher({
      provider: {
        getBlockNumber: () => Promise.reject(new Error("no answer")),
      } as never,
      submissions,
      clock: { now: () => 0, sleep: async () => stop.abort() },
      log: pino({ level: "silent" }),
      pollInterval: 10,
    });
    await deaf.run(stop.signal);
    expect(submissions.synced).to.equal(null);
  });
});
