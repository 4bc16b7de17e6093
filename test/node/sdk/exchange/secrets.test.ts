import { secp256k1 } from "@noble/curves/secp256k1.js";
import { expect } from "chai";
import fc from "fast-check";
import { describe, it } from "mocha";
import { ProtocolError } from "../../../../sdk/errors.ts";
import { openSecrets } from "../../../../sdk/exchange/openSecrets.ts";
import { sealSecrets } from "../../../../sdk/exchange/sealSecrets.ts";
import type { Secrets } from "../../../../sdk/exchange/secrets.ts";
import type { TaskId } from "../../../../sdk/ids.ts";

const ID = `0x${"ab".repeat(16)}` as TaskId;
const OTHER_ID = `0x${"ac".repeat(16)}` as TaskId;
const secret = new Uint8Array(32).fill(7);
const encryptionKey = secp256k1.getPublicKey(secret, true);
const SECRETS = { wandbApiKey: "a".repeat(40), hfApiToken: "hf_token" };

function errorOf(action: () => unknown): ProtocolError {
  try {
    action();
  } catch (error) {
    return error as ProtocolError;
  }
  throw new Error("did not throw");
}

describe("sealed secrets", () => {
  const key = fc.string({
    minLength: 1,
    maxLength: 256,
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((c) => String.fromCharCode(c)),
  });

  it("open for the provider and the task they were sealed for", () => {
    const secrets = fc.record({ wandbApiKey: key, hfApiToken: key }, { requiredKeys: [] });
    fc.assert(
      fc.property(secrets, (given: Secrets) => {
        const sealed = sealSecrets({ encryptionKey, id: ID, secrets: given });
        expect(openSecrets({ secret, id: ID, sealed })).to.deep.equal({ ...given });
      }),
      { numRuns: 50 },
    );
  });

  it("are never the same twice and disclose nothing", () => {
    const one = sealSecrets({ encryptionKey, id: ID, secrets: SECRETS });
    const other = sealSecrets({ encryptionKey, id: ID, secrets: SECRETS });
    expect(one).not.to.deep.equal(other);
    expect(Buffer.from(one).includes("hf_token")).to.equal(false);
  });

  it("do not open for another provider, another task, or after any change", () => {
    const sealed = sealSecrets({ encryptionKey, id: ID, secrets: SECRETS });
    const tries = [
      () => openSecrets({ secret: new Uint8Array(32).fill(8), id: ID, sealed }),
      () => openSecrets({ secret, id: OTHER_ID, sealed }),
      () => openSecrets({ secret, id: ID, sealed: sealed.subarray(0, 40) }),
      () => openSecrets({ secret, id: ID, sealed: new Uint8Array() }),
    ];
    for (const attempt of tries) expect(errorOf(attempt).code).to.equal("integrity");
    fc.assert(
      fc.property(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Uint8Array.from(sealed);
        changed[at]! ^= flip;
        expect(errorOf(() => openSecrets({ secret, id: ID, sealed: changed })).code).to.equal(
          "integrity",
        );
      }),
      { numRuns: 100 },
    );
  });

  it("refuses an invalid key, without repeating it", () => {
    for (const wandbApiKey of ["", "two words", "line\nbreak", "x".repeat(257), "schlüssel"]) {
      const error = errorOf(() => sealSecrets({ encryptionKey, id: ID, secrets: { wandbApiKey } }));
      expect(error).to.be.instanceOf(ProtocolError).and.to.include({ code: "usage" });
      if (wandbApiKey) expect(error.message + error.hint).not.to.include(wandbApiKey);
    }
    const more = { password: "x" } as Secrets;
    expect(errorOf(() => sealSecrets({ encryptionKey, id: ID, secrets: more })).code).to.equal(
      "usage",
    );
  });

  it("reports an invalid provider's key", () => {
    const error = errorOf(() =>
      sealSecrets({ encryptionKey: new Uint8Array(33), id: ID, secrets: SECRETS }),
    );
    expect(error.code).to.equal("integrity");
  });
});
