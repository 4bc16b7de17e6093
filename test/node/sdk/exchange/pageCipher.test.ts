import { createCipheriv } from "node:crypto";
import { chacha20 } from "@noble/ciphers/chacha.js";
import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { PageCipher } from "../../../../sdk/exchange/PageCipher.ts";
import { segmentKey } from "../../../../sdk/exchange/segmentKey.ts";
import { parseTaskId } from "../../../../sdk/ids.ts";

const keys = {
  taskId: parseTaskId(`0x${"5a".repeat(16)}`),
  u: new Uint8Array(32).fill(1),
  s: new Uint8Array(32).fill(2),
};

describe("page cipher", () => {
  it("uses a ChaCha20 that reproduces RFC 8439's ciphertext (2.4.2)", () => {
    const key = Uint8Array.from({ length: 32 }, (_, i) => i);
    const nonce = Buffer.from("000000000000004a00000000", "hex");
    const text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
    const counterAndNonce = Buffer.concat([Buffer.from([1, 0, 0, 0]), nonce]);
    const encrypted = createCipheriv("chacha20", key, counterAndNonce).update(text);
    expect(encrypted.toString("hex")).to.equal(
      "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b" +
        "f91b65c5524733ab8f593dabcd62b3571639d624e65152ab8f530c359f0861d8" +
        "07ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736" +
        "5af90bbf74a35be6b40b8eedf2785e42874d",
    );
  });

  it("uses per segment its key, its number as nonce and the position as block counter", () => {
    const pages = fc.record({
      segment: fc.nat(2 ** 32 - 1),
      first: fc.nat(63),
      count: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(pages, ({ segment, first, count }) => {
        const clear = new Uint8Array(Math.min(count, 64 - first) * 4096).fill(7);
        const nonce = Buffer.alloc(12);
        nonce.writeUInt32LE(segment);
        const expected = chacha20(segmentKey(keys, segment), nonce, clear, undefined, 64 * first);
        const encrypted = new PageCipher(keys).apply(segment * 64 + first, clear);
        expect(encrypted.equals(expected)).to.equal(true);
      }),
      { numRuns: 50 },
    );
  });

  it("decrypts what it encrypted, one page or many at a time", () => {
    const clear = Buffer.alloc(64 * 4096, "anneal");
    const encrypted = new PageCipher(keys).apply(128, clear);
    const cipher = new PageCipher(keys);
    for (let page = 0; page < 64; page++) {
      const range = [page * 4096, (page + 1) * 4096] as const;
      const decrypted = cipher.apply(128 + page, encrypted.subarray(...range));
      expect(decrypted.equals(clear.subarray(...range))).to.equal(true);
    }
  });
});
