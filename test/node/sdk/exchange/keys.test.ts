import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { expect } from "chai";
import { concat, getBytes, keccak256, SigningKey, toUtf8Bytes, Wallet } from "ethers";
import fc from "fast-check";
import { describe, it } from "mocha";
import { ProtocolError } from "../../../../sdk/errors.ts";
import {
  BLINDS,
  blindAt,
  blindLeaves,
  blindProof,
  blindRoot,
  sharedBlind,
} from "../../../../sdk/exchange/blind.ts";
import { keyCommit, segmentKey } from "../../../../sdk/exchange/segmentKey.ts";
import { userKeyFromSignature, userKeyFromTaskKey } from "../../../../sdk/exchange/userKey.ts";
import { parseTaskId } from "../../../../sdk/ids.ts";

const taskId = parseTaskId("00112233-4455-6677-8899-aabbccddeeff");
const signature = Uint8Array.from({ length: 65 }, (_, i) => i);
const u = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
const s = Uint8Array.from({ length: 32 }, (_, i) => i * 7);

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

function uint32(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}

describe("user key", () => {
  it("is HKDF of the signature, reduced to 1..n-1, and its point", () => {
    const material = hkdf(sha256, signature, undefined, toUtf8Bytes("anneal/user-key/v1"), 48);
    const order = secp256k1.Point.Fn.ORDER;
    const expected = (BigInt(`0x${hex(material)}`) % (order - 1n)) + 1n;
    const { secret, publicKey } = userKeyFromSignature(signature);
    expect(BigInt(`0x${hex(secret)}`)).to.equal(expected);
    expect(secret).to.have.length(32);
    expect(`0x${hex(publicKey)}`).to.equal(SigningKey.computePublicKey(secret, true));
  });

  it("of a known signature never changes, as old deliverables must stay readable", () => {
    const { secret, publicKey } = userKeyFromSignature(signature);
    expect([hex(secret), hex(publicKey)]).to.deep.equal([
      "a7d440bb489a21fc828eedeb4702ba6859ff6866d320d3445d0e887b2194befb",
      "033c5d175263711ab7eec72042c6ff5acd64ff949ac9173e768e19d97b68e23439",
    ]);
  });

  it("follows from a task key as well, a different one for each digest, and never changes", () => {
    const digest = getBytes(keccak256("0x01"));
    const { secret, publicKey } = userKeyFromTaskKey(s, digest);
    expect(hex(secret)).to.equal(
      "eb939a4d6a31ab0960b09a2541126ac1759b4a2ec909c4f16999c938c4566e78",
    );
    expect(`0x${hex(publicKey)}`).to.equal(SigningKey.computePublicKey(secret, true));
    expect(userKeyFromTaskKey(u, digest).secret).not.to.deep.equal(secret);
    expect(userKeyFromTaskKey(s, getBytes(keccak256("0x02"))).secret).not.to.deep.equal(secret);
    expect(() => userKeyFromTaskKey(signature, digest)).to.throw(ProtocolError, "32 bytes, not 65");
  });

  it("is reproducible from the same wallet and task, and differs for another task", async () => {
    const wallet = new Wallet(`0x${"11".repeat(32)}`);
    const sign = async (nonce: number) => {
      const domain = { name: "Anneal", version: "1", chainId: 31337 };
      const types = {
        TaskKey: [
          { name: "provider", type: "address" },
          { name: "nonce", type: "uint256" },
        ],
      };
      const value = { provider: wallet.address, nonce };
      return userKeyFromSignature(getBytes(await wallet.signTypedData(domain, types, value)));
    };
    expect(await sign(1)).to.deep.equal(await sign(1));
    expect(await sign(1)).to.not.deep.equal(await sign(2));
  });

  it("refuses anything but a 65-byte signature", () => {
    for (const length of [0, 64, 66]) {
      expect(() => userKeyFromSignature(new Uint8Array(length)))
        .to.throw(ProtocolError)
        .with.property("code", "usage");
    }
  });
});

describe("blinds", () => {
  it("are shared: both sides compute the same u from their own secret", () => {
    const secret = fc.bigInt({ min: 1n, max: secp256k1.Point.Fn.ORDER - 1n });
    fc.assert(
      fc.property(secret, secret, (a, b) => {
        const [mine, theirs] = [a, b].map((key) =>
          Buffer.from(key.toString(16).padStart(64, "0"), "hex"),
        );
        const left = sharedBlind(mine!, secp256k1.getPublicKey(theirs!, true));
        const right = sharedBlind(theirs!, secp256k1.getPublicKey(mine!, true));
        expect(left).to.deep.equal(right);
        const point = getBytes(
          new SigningKey(mine!).computeSharedSecret(secp256k1.getPublicKey(theirs!, true)),
        );
        const info = toUtf8Bytes("anneal/blind/v1");
        expect(left).to.deep.equal(hkdf(sha256, point.slice(1, 33), undefined, info, 32));
      }),
      { numRuns: 10 },
    );
  });

  it("refuse a public key that is not on the curve", () => {
    for (const bad of [
      new Uint8Array(33),
      Uint8Array.of(2, ...new Uint8Array(32).fill(255)),
      new Uint8Array(5),
    ]) {
      expect(() => sharedBlind(s.with(0, 1), bad))
        .to.throw(ProtocolError)
        .with.property("code", "integrity");
    }
  });

  it("are keccak256 of the ascii word, u and the number", () => {
    for (const j of [0, 1, 4095]) {
      const expected = keccak256(concat([toUtf8Bytes("blind"), u, uint32(j)]));
      expect(`0x${hex(blindAt(u, j))}`).to.equal(expected);
    }
  });

  it("each have a proof of 12 siblings to blindRoot at their own position only", () => {
    const root = hex(blindRoot(u));
    const leaves = blindLeaves(u);
    for (const j of [0, 1, 2047, 2048, 4095]) {
      const proof = blindProof(leaves, j);
      expect(proof).to.have.length(12);
      expect(climb(blindAt(u, j), j, proof)).to.equal(root);
      expect(climb(blindAt(u, j), (j + 1) % BLINDS, proof)).to.not.equal(root);
    }
  });

  it("of a known u have a known root", () => {
    expect(hex(blindRoot(u))).to.equal(
      "12b95153fd5bc2e1ad104d42605099c6a6a9e84e06cb64c0a4d9426e6a87e0f2",
    );
  });
});

describe("segment key", () => {
  it("is keccak256 of tag, task, number, blind and s, and its blind repeats after 4096", () => {
    for (const r of [0, 1, 4095, 4096, 70_000]) {
      const blind = blindAt(u, r % 4096);
      const expected = keccak256(concat([toUtf8Bytes("FX1"), taskId, uint32(r), blind, s]));
      expect(`0x${hex(segmentKey({ taskId, u, s }, r))}`).to.equal(expected);
    }
  });

  it("commits to s with keccak256", () => {
    expect(keyCommit(s)).to.deep.equal(keccak_256(s));
  });
});

/** Folds a leaf preimage to the root by its position, as the contract does. */
function climb(blind: Uint8Array, j: number, proof: Uint8Array[]): string {
  let node = keccak256(blind);
  proof.forEach((sibling, level) => {
    node = keccak256(concat((j >> level) % 2 === 0 ? [node, sibling] : [sibling, node]));
  });
  return node.slice(2);
}
