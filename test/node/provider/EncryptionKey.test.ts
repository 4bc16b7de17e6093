import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { EncryptionKey } from "../../../provider/EncryptionKey.ts";

const PRIVATE_KEY = new Uint8Array(32).fill(7);

describe("EncryptionKey", () => {
  it("is derived from the wallet's key alone, and is not that key", () => {
    const key = EncryptionKey.derive(PRIVATE_KEY);
    expect(EncryptionKey.derive(PRIVATE_KEY).publicKey).to.equal(key.publicKey);
    expect(key.publicKey).to.match(/^0x0[23][0-9a-f]{64}$/);
    expect(key.secret).not.to.deep.equal(PRIVATE_KEY);
  });

  it("decrypts what it has encrypted, for the same purpose only", () => {
    const key = EncryptionKey.derive(PRIVATE_KEY);
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        fc.string(),
        (secret, context) => {
          const bytes = key.protect(secret, context);
          expect(Buffer.from(bytes).includes(Buffer.from(secret)) && secret.length > 8).to.equal(
            false,
          );
          expect(key.unprotect(bytes, context)).to.deep.equal(secret);
          expect(() => key.unprotect(bytes, `${context}!`)).to.throw();
        },
      ),
      { numRuns: 50 },
    );
  });

  it("refuses a number that is not a key", () => {
    expect(() => new EncryptionKey(new Uint8Array(32))).to.throw(RangeError);
  });
});
