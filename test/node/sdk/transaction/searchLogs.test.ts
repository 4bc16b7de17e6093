import { expect } from "chai";
import { type Log, makeError, type Provider } from "ethers";
import { describe, it } from "mocha";
import { searchLogs } from "../../../../sdk/transaction/searchLogs.ts";
import { rejection } from "../../../helpers/rejection.ts";

/** What a stub endpoint allows in one answer. */
interface Limits {
  readonly blocks?: number;
  readonly results?: number;
  /** Its message, if one of these limits is exceeded. */
  readonly words?: string;
}

/** A stub endpoint whose blocks have this many events each, and which records the ranges that it searched. */
function limited(counts: readonly number[], { blocks, results, words = "limit exceeded" }: Limits) {
  const asked: number[] = [];
  const getLogs = async ({ fromBlock, toBlock }: { fromBlock: number; toBlock: number }) => {
    const found = counts
      .slice(fromBlock, toBlock + 1)
      .flatMap((count, index) => Array(count).fill({ blockNumber: fromBlock + index }));
    asked.push(toBlock - fromBlock + 1);
    if (toBlock - fromBlock + 1 > (blocks ?? Infinity) || found.length > (results ?? Infinity)) {
      const payload = { method: "eth_getLogs", params: [] };
      const error = { code: -32005, message: words };
      throw makeError("could not coalesce error", "UNKNOWN_ERROR", { error, payload } as never);
    }
    return found as Log[];
  };
  return { provider: { getLogs } as unknown as Provider, asked };
}

/** Refusals of several hosts, and the number of blocks that they allow. */
const DIALECTS = [
  { words: "eth_getLogs is limited to a 1,000 blocks range", blocks: 1_000 },
  { words: "query exceeds max block range 1000", blocks: 1_000 },
  { words: "exceed maximum block range: 5000", blocks: 5_000 },
  { words: "block range is too wide", blocks: 1_000 },
  { words: "eth_getLogs requests with up to a 500 block range are allowed", blocks: 500 },
  { words: "block range too large (maximum allowed is 100 blocks)", blocks: 100 },
  { words: "requested too many blocks from 0 to 999, maximum is set to 200", blocks: 200 },
  { words: "limit exceeded", blocks: 50 },
];

const search = (provider: Provider, toBlock: number) =>
  searchLogs(provider, { address: `0x${"11".repeat(20)}`, fromBlock: 0, toBlock });

describe("searching events through an endpoint with limits", () => {
  const everywhere = Array(1_000).fill(1);

  it("finds all of them through one that searches 10 blocks at a time", async () => {
    const { provider, asked } = limited(everywhere, { blocks: 10, words: "limited to a 10 range" });
    const found = await search(provider, 999);
    expect(found.map((log) => log.blockNumber)).to.deep.equal(everywhere.map((_, i) => i));
    expect(asked.length).to.be.lessThan(130);
  });

  it("finds all of them through one that does not say how many blocks it searches", async () => {
    const { provider, asked } = limited(everywhere, { blocks: 10 });
    expect(await search(provider, 999)).to.have.length(1_000);
    expect(asked.length).to.be.lessThan(250);
    const before = asked.length;
    expect(await search(provider, 99)).to.have.length(100);
    expect(asked.length - before, "what was learnt is kept").to.be.lessThan(25);
  });

  it("finds all of them through one that returns 100 events at a time, and requests the rest", async () => {
    const counts = [...Array(50).fill(60), ...Array(1_950).fill(0)];
    const { provider, asked } = limited(counts, { results: 100 });
    expect(await search(provider, 1_999)).to.have.length(3_000);
    expect(asked.length).to.be.lessThan(220);
    expect(Math.max(...asked.slice(-5))).to.be.greaterThan(100);
  });

  for (const { words, blocks } of DIALECTS) {
    it(`searches as far as allowed after "${words}"`, async () => {
      const { provider, asked } = limited(Array(10 * blocks).fill(0), { blocks, words });
      await search(provider, 10 * blocks - 1);
      expect(asked.filter((each) => each > blocks).length).to.be.lessThan(5);
      expect(asked.filter((each) => each === blocks).length).to.be.greaterThan(6);
    });
  }

  it("searches more and more blocks at a time if the endpoint has no limit", async () => {
    const { provider, asked } = limited(Array(50_000).fill(0), {});
    await search(provider, 49_999);
    expect(asked.slice(0, 5)).to.deep.equal([1_000, 1_000, 1_000, 1_000, 2_000]);
    expect(Math.max(...asked)).to.equal(10_000);
    expect(asked.length).to.be.lessThan(16);
  });

  it("searches more again soon after blocks with many events, and late after a refusal of blocks", async () => {
    const counts = [...Array(1_000).fill(1), ...Array(20_000).fill(0)];
    const words = "query returned more than 100 results";
    const byEvents = limited(counts, { results: 100, words });
    await search(byEvents.provider, 20_999);
    expect(Math.max(...byEvents.asked)).to.be.greaterThan(1_000);
    const byBlocks = limited(Array(60_000).fill(0), { blocks: 1_000 });
    await search(byBlocks.provider, 59_999);
    expect(byBlocks.asked.filter((each) => each > 1_000)).to.deep.equal([2_000]);
  });

  it("names the block that alone exceeds the limit", async () => {
    const { provider } = limited([1, 1, 500, 1], { results: 100 });
    const error = await rejection(search(provider, 3));
    expect(error.code).to.equal("network");
    expect(error.message).to.equal(
      "Block 2 alone has more events than the chain's node returns in one answer.",
    );
    expect(error.next).to.deep.equal({ setting: "rpcUrl" });
  });

  it("passes on errors that have nothing to do with the range", async () => {
    const { provider, asked } = limited(everywhere, { blocks: 1, words: "missing trie node" });
    expect(await search(provider, 9).catch((error) => error.code)).to.equal("UNKNOWN_ERROR");
    expect(asked).to.deep.equal([10]);
  });
});
