import { expect } from "chai";
import { concat, keccak256, ZeroHash } from "ethers";
import { beforeEach, describe, it } from "mocha";
import type { Submission } from "../../../../provider/chain/Submitter.ts";
import { EncryptionKey } from "../../../../provider/EncryptionKey.ts";
import { EncryptionKeys } from "../../../../provider/EncryptionKeys.ts";
import { ProviderError } from "../../../../provider/errors.ts";
import { makeDeliverableKey } from "../../../../provider/steps/parts/deliverableKey.ts";
import type { StepContext } from "../../../../provider/steps/parts/StepContext.ts";
import { reveal } from "../../../../provider/steps/reveal.ts";
import type { JobRecord, Store } from "../../../../provider/store/Store.ts";
import type { Client } from "../../../../sdk/client.ts";
import { keyCommit } from "../../../../sdk/exchange/segmentKey.ts";
import type { TaskId } from "../../../../sdk/ids.ts";

const ID = `0x${"11".repeat(16)}` as TaskId;
const DEADLINE = 1_000;
const ACKNOWLEDGED = 4n; // TaskState on chain
const SEALED = { archive: "archive", contentRoot: "0xc0" };
const KEY = EncryptionKey.derive(new Uint8Array(32).fill(1));

/** The key of a deliverable with this contentRoot. */
const keyOf = (contentRoot: string) =>
  KEY.deriveSecret(`anneal/deliverable-key/v2/${ID}/${contentRoot}`);

describe("reveal", () => {
  let now: number;
  let isConfirmed: boolean;
  let submitted: Submission[];
  let stored: { archive: string; key: Uint8Array } | null;
  let context: StepContext;

  beforeEach(() => {
    now = 900;
    isConfirmed = true;
    submitted = [];
    stored = null;
    const task = {
      user: "0x",
      provider: "0x",
      state: ACKNOWLEDGED,
      deadline: BigInt(DEADLINE),
      trainingTime: 0n,
      root: ZeroHash,
      exchange: keccak256(concat(["0xb1", "0xc0", keyCommit(keyOf(SEALED.contentRoot))])),
    };
    const client = {
      provider: { getBlock: async () => ({ number: 1, timestamp: now }) },
      serving: {
        taskOf: async () => task,
        interface: { encodeFunctionData: (_: string, args: unknown[]) => args },
      },
    } as unknown as Client;
    const store = {
      hasEvent: (_: TaskId, name: string) => isConfirmed && name === "TaskAcknowledged",
      deliverableKey: () => stored,
      putDeliverableKey: (_: TaskId, archive: string, key: Uint8Array) => {
        stored = { archive, key };
      },
    } as unknown as Store;
    context = {
      client,
      store,
      encryptionKeys: new EncryptionKeys(KEY),
      submitter: { submit: async (submission: Submission) => void submitted.push(submission) },
    } as unknown as StepContext;
  });

  const record = {
    id: ID,
    order: { blindRoot: "0xb1" },
    facts: { contentRoot: "0xc0" },
  } as unknown as JobRecord;
  const run = () => reveal(context, record, new AbortController().signal, 0);
  const failure = () =>
    run().then(
      () => expect.fail("was revealed"),
      (error: ProviderError) => error,
    );

  it("publishes the key of the archive, and opens the commitment", async () => {
    const key = makeDeliverableKey(context, ID, SEALED);
    expect(makeDeliverableKey(context, ID, SEALED)).to.deep.equal(key);
    await run();
    const hex = `0x${Buffer.from(key).toString("hex")}`;
    expect(submitted[0]!.call.data).to.deep.equal([ID, hex, "0xb1", "0xc0"]);
  });

  it("publishes a key that was sealed before the encryption key was rotated", async () => {
    const key = makeDeliverableKey(context, ID, SEALED);
    const rotated = new EncryptionKeys(EncryptionKey.generate(), KEY);
    context = { ...context, encryptionKeys: rotated };
    await run();
    expect(submitted[0]!.call.data).to.include(`0x${Buffer.from(key).toString("hex")}`);
  });

  it("waits while a reorganization could undo the acknowledgement", async () => {
    makeDeliverableKey(context, ID, SEALED);
    isConfirmed = false;
    expect(await failure())
      .to.be.instanceOf(ProviderError)
      .and.to.include({ retryable: true });
    expect(submitted).to.deep.equal([]);
  });

  it("withholds the key if its deadline is too near", async () => {
    makeDeliverableKey(context, ID, SEALED);
    now = DEADLINE - 5;
    expect((await failure()).message).to.match(/too late/);
    expect(submitted).to.deep.equal([]);
  });

  it("never encrypts another archive under the same key", () => {
    const key = makeDeliverableKey(context, ID, SEALED);
    expect(
      makeDeliverableKey(context, ID, { archive: "another", contentRoot: "0xc1" }),
    ).not.to.deep.equal(key);
  });

  it("stores no key in plaintext", () => {
    const key = makeDeliverableKey(context, ID, SEALED);
    expect(Buffer.from(stored!.key).includes(Buffer.from(key))).to.equal(false);
  });
});
