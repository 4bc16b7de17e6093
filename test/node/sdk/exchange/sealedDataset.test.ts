import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { expect } from "chai";
import fc from "fast-check";
import { after, before, describe, it } from "mocha";
import { ProtocolError } from "../../../../sdk/errors.ts";
import {
  chunkCount,
  readHeader,
  sealedDatasetSize,
} from "../../../../sdk/exchange/DatasetCipher.ts";
import { openDataset, readDatasetHeader } from "../../../../sdk/exchange/openDataset.ts";
import { sealDataset } from "../../../../sdk/exchange/sealDataset.ts";
import { datasetKeyFromSignature } from "../../../../sdk/exchange/userKey.ts";
import type { Content } from "../../../../sdk/storage/files/content.ts";
import { rootOfContent } from "../../../../sdk/storage/files/rootOfContent.ts";
import { rootOfBytes } from "../../../../sdk/storage/tree/RootHasher.ts";
import { SEGMENT_BYTES, segmentCount } from "../../../../sdk/storage/tree/segment.ts";

const HEADER = 64;
const TAG = 16;
const FIRST = SEGMENT_BYTES - HEADER - TAG;
const NEXT = SEGMENT_BYTES - TAG;

const provider = secp256k1.keygen();
const stranger = secp256k1.keygen();

/** A stub for the wallet: another signature for every content. */
const deriveKey = async (contentHash: Uint8Array) =>
  datasetKeyFromSignature(Buffer.concat([contentHash, Buffer.alloc(33, 7)]));

describe("encrypted dataset", () => {
  let directory: string;
  let plain: string;
  let sealed: string;
  let opened: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "anneal-sealed-"));
    [plain, sealed, opened] = ["plain", "sealed", "opened"].map((name) =>
      join(directory, name),
    ) as [string, string, string];
  });
  after(() => rm(directory, { recursive: true }));

  async function seal(bytes: Uint8Array, receiverKey = provider.publicKey): Promise<Buffer> {
    await writeFile(plain, bytes);
    const content = await sealDataset(plain, { receiverKey, deriveKey });
    try {
      return await readAll(content);
    } finally {
      await content.close();
    }
  }

  async function open(bytes: Uint8Array, secret = provider.secretKey): Promise<Buffer> {
    await rm(opened, { force: true });
    await writeFile(sealed, bytes);
    await openDataset(sealed, opened, { secret });
    return readFile(opened);
  }

  async function expectRefused(bytes: Uint8Array, secret = provider.secretKey): Promise<void> {
    const error = await open(bytes, secret).catch((e) => e);
    expect(error).to.be.instanceOf(ProtocolError);
    expect(error.code).to.equal("integrity");
    expect((await readdir(directory)).filter((name) => name.startsWith("opened"))).to.deep.equal(
      [],
    );
  }

  it("round-trips any size, and its encrypted size is known in advance", async () => {
    const edge = fc.constantFrom(1, FIRST - 1, FIRST, FIRST + 1, FIRST + NEXT, FIRST + NEXT + 1);
    await fc.assert(
      fc.asyncProperty(fc.oneof(edge, fc.integer({ min: 1, max: 700_000 })), async (size) => {
        const bytes = randomBytes(size);
        const file = await seal(bytes);
        expect(file.length).to.equal(sealedDatasetSize(size));
        expect(segmentCount(file.length)).to.equal(chunkCount(size));
        expect(readHeader(file)?.size).to.equal(size);
        expect((await open(file)).equals(bytes)).to.equal(true);
      }),
      { numRuns: 12, examples: [[1], [FIRST], [FIRST + 1], [FIRST + NEXT]] },
    );
  });

  it("is the same for the same content and provider, and shares nothing with any other", async () => {
    const bytes = randomBytes(FIRST + 5);
    const file = await seal(bytes);
    expect((await seal(bytes)).equals(file)).to.equal(true);
    const changed = Buffer.from(bytes);
    changed[bytes.length - 1]! ^= 1;
    for (const other of [await seal(changed), await seal(bytes, stranger.publicKey)]) {
      expect(
        other.subarray(HEADER, HEADER + 32).equals(file.subarray(HEADER, HEADER + 32)),
      ).to.equal(false);
    }
  });

  it("discloses nothing of its content", async () => {
    const text = Buffer.from('{"text":"the secret of the house"}\n'.repeat(20_000));
    expect((await seal(text)).includes("secret")).to.equal(false);
  });

  it("has the root of the bytes that are sent, in any order of reading", async () => {
    const file = await seal(randomBytes(2 * SEGMENT_BYTES + 99));
    const content = await sealDataset(plain, { receiverKey: provider.publicKey, deriveKey });
    try {
      expect((await rootOfContent(content)).root).to.equal(rootOfBytes(file).root);
      const last = await content.read(2, Buffer.alloc(SEGMENT_BYTES));
      expect(file.subarray(2 * SEGMENT_BYTES).equals(last)).to.equal(true);
    } finally {
      await content.close();
    }
  });

  it("cannot be opened by another provider", async () => {
    await expectRefused(await seal(randomBytes(1000)), stranger.secretKey);
  });

  it("is refused with one flipped bit anywhere but in its magic, without which it is another file", async () => {
    const file = await seal(randomBytes(1000));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 8, max: file.length - 1 }), fc.nat(7), async (at, bit) => {
        const wrong = Buffer.from(file);
        wrong[at]! ^= 1 << bit;
        await expectRefused(wrong);
      }),
      {
        numRuns: 60,
        examples: [
          [8, 0],
          [41, 0],
          [48, 0],
          [63, 7],
          [64, 0],
          [1079, 7],
        ],
      },
    );
    const other = Buffer.from(file);
    other[0]! ^= 1;
    await writeFile(sealed, other);
    expect(await readDatasetHeader(sealed)).to.equal(null);
  });

  it("is refused with segments swapped, missing, duplicated or truncated", async () => {
    const file = await seal(randomBytes(FIRST + 3 * NEXT));
    const part = (index: number) =>
      file.subarray(index * SEGMENT_BYTES, (index + 1) * SEGMENT_BYTES);
    for (const order of [
      [0, 2, 1, 3],
      [0, 1, 3],
      [0, 1, 2],
      [0, 1, 1, 3],
      [0, 1, 2, 3, 3],
    ]) {
      await expectRefused(Buffer.concat(order.map(part)));
    }
    await expectRefused(file.subarray(0, -1));
    await expectRefused(Buffer.concat([file, Buffer.alloc(1)]));
  });

  it("is refused if the header gives an impossible size", async () => {
    const file = await seal(randomBytes(1000));
    for (const size of [0n, 999n, 1001n, 2n ** 63n]) {
      const wrong = Buffer.from(file);
      wrong.writeBigUInt64BE(size, 41);
      await expectRefused(wrong);
    }
  });

  it("is never created from a file that changes meanwhile, as one key would encrypt two contents", async () => {
    await writeFile(plain, randomBytes(FIRST + 10));
    const content = await sealDataset(plain, { receiverKey: provider.publicKey, deriveKey });
    try {
      await writeFile(plain, randomBytes(FIRST + 10));
      for (const index of [0, 1]) {
        const error = await content.read(index, Buffer.alloc(SEGMENT_BYTES)).catch((e) => e);
        expect(error).to.be.instanceOf(ProtocolError);
        expect(error.code).to.equal("integrity");
      }
    } finally {
      await content.close();
    }
  });

  it("is recognized by its first bytes", async () => {
    for (const text of ["{", "text,label\n", "\0ANNEAL", "\0ANNEAL\u0002".padEnd(64, "x")]) {
      await writeFile(plain, text);
      expect(await readDatasetHeader(plain)).to.equal(null);
    }
  });
});

async function readAll(content: Content): Promise<Buffer> {
  const segments: Buffer[] = [];
  for (let index = 0; index < segmentCount(content.size); index++) {
    segments.push(Buffer.from(await content.read(index, Buffer.alloc(SEGMENT_BYTES))));
  }
  return Buffer.concat(segments);
}
