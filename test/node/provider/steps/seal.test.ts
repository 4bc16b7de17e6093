import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { getBytes, hexlify, toBeHex } from "ethers";
import { afterEach, beforeEach, describe, it } from "mocha";
import { EncryptionKey } from "../../../../provider/EncryptionKey.ts";
import { EncryptionKeys } from "../../../../provider/EncryptionKeys.ts";
import { ProviderError } from "../../../../provider/errors.ts";
import { jobPaths } from "../../../../provider/files/jobPaths.ts";
import type { StepContext } from "../../../../provider/steps/parts/StepContext.ts";
import { seal } from "../../../../provider/steps/seal.ts";
import type { JobRecord } from "../../../../provider/store/Store.ts";
import { blindRoot, sharedBlind } from "../../../../sdk/exchange/blind.ts";
import { openFile } from "../../../../sdk/exchange/open.ts";
import type { TaskId } from "../../../../sdk/ids.ts";

const ID = `0x${"11".repeat(16)}` as TaskId;
const USER = new EncryptionKey(getBytes(toBeHex(5, 32)));
/** The provider's keys: the order is made for the older one. */
const CURRENT = new EncryptionKey(getBytes(toBeHex(9, 32)));
const PROVIDER = new EncryptionKey(getBytes(toBeHex(7, 32)));
const ARCHIVE = Buffer.from("a model");
const signal = new AbortController().signal;

describe("seal", () => {
  let folder: string;
  let u: Uint8Array;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "anneal-seal-"));
    u = sharedBlind(USER.secret, getBytes(PROVIDER.publicKey));
    const { archive } = jobPaths(folder, ID);
    mkdirSync(dirname(archive), { recursive: true });
    writeFileSync(archive, ARCHIVE);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const sealWith = (...[current, ...older]: [EncryptionKey, ...EncryptionKey[]]) => {
    const encryptionKeys = new EncryptionKeys(current, ...older);
    const keys = new Map<TaskId, { archive: string; key: Uint8Array }>();
    const store = {
      deliverableKey: (id: TaskId) => keys.get(id) ?? null,
      putDeliverableKey: (id: TaskId, archive: string, key: Uint8Array) =>
        keys.set(id, { archive, key }),
    };
    const order = { userKey: USER.publicKey, blindRoot: hexlify(blindRoot(u)) };
    const context = { jobsDirectory: folder, encryptionKeys, store } as unknown as StepContext;
    const record = { id: ID, order, facts: { archive: "00" } } as unknown as JobRecord;
    return { sealed: seal(context, record, signal, 0), key: () => keys.get(ID)!.key };
  };

  const opensFor = async (keys: [EncryptionKey, ...EncryptionKey[]]) => {
    const { sealed, key } = sealWith(...keys);
    const { contentRoot, size } = (await sealed) as { contentRoot: string; size: number };
    const s = keys[0].unprotect(key(), `deliverable-key/${ID}`);
    const opened = join(folder, "opened");
    await openFile(jobPaths(folder, ID).encrypted, opened, { taskId: ID, u, s, contentRoot, size });
    expect(readFileSync(opened)).to.deep.equal(ARCHIVE);
  };

  it("creates a file that the user's key opens", () => opensFor([PROVIDER]));

  it("does so for an order that was made before the encryption key was rotated", () =>
    opensFor([CURRENT, PROVIDER]));

  it("creates nothing under a key other than the order's, which could not be opened", async () => {
    const error = await sealWith(new EncryptionKey(getBytes(toBeHex(8, 32)))).sealed.then(
      () => null,
      (reason) => reason,
    );
    expect(error).to.be.instanceOf(ProviderError);
    expect(error.hint).to.include("encryption-keys");
    expect(() => readFileSync(jobPaths(folder, ID).encrypted)).to.throw("ENOENT");
  });
});
