import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ZeroHash } from "ethers";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { Submission } from "../../../../provider/chain/Submitter.ts";
import { ProviderError, TaskRefusedError } from "../../../../provider/errors.ts";
import { Catalogue, type Model } from "../../../../provider/models/Catalogue.ts";
import { accept } from "../../../../provider/steps/accept.ts";
import type { StepContext } from "../../../../provider/steps/parts/StepContext.ts";
import type { JobRecord } from "../../../../provider/store/Store.ts";
import type { TaskId } from "../../../../sdk/ids.ts";

/** 2027-01-15T08:00:00Z. */
const VALID_UNTIL = 1_800_000_000;
const ID = `0x${"11".repeat(16)}` as TaskId;
const HASH = `0x${"ab".repeat(32)}`;
/** TaskState on chain. */
const CREATED = 1n;
const ACCEPTED = 2n;
/** More than any disk has: a sparse file may claim it. */
const HUGE = 2 ** 43;

const REFILL = { retryable: true, hint: "Send OG to the wallet." };

/** The part of a trainer that acceptance uses. */
const WORKING = { checkMachine: async (): Promise<string | null> => null };

describe("accept", () => {
  let root: string;
  let state: bigint;
  let submitted: Submission[];
  let isWalletPoor: boolean;
  let isBroken: boolean;
  let now: number;

  beforeEach(() => {
    isBroken = false;
    now = VALID_UNTIL;
    root = mkdtempSync(join(tmpdir(), "anneal-accept-"));
    mkdirSync(join(root, "model"));
    writeFileSync(join(root, "model/model.safetensors"), "");
    state = CREATED;
    submitted = [];
    isWalletPoor = false;
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const makeModelHuge = () => truncateSync(join(root, "model/model.safetensors"), HUGE);
  const run = ({ units = 1_000n, config = {}, trainer = WORKING } = {}) => {
    const model = { name: "tiny", hash: HASH, directory: join(root, "model") } as Model;
    const task = {
      user: "0x",
      provider: "0x",
      state,
      deadline: BigInt(VALID_UNTIL),
      trainingTime: 0n,
      root: ZeroHash,
      exchange: ZeroHash,
    };
    const context = {
      catalogue: new Catalogue([{ ...model, kind: "causal-lm" } as Model], {
        maxDatasetBytes: 2 ** 30,
      }),
      jobsDirectory: join(root, "state/jobs"),
      trainer,
      machine: { isBroken },
      client: {
        serving: {
          taskOf: async () => task,
          interface: { encodeFunctionData: (_: string, args: unknown[]) => args },
        },
        provider: { getBlock: async () => ({ number: 1, timestamp: now }) },
      },
      python: { requireWorking: async () => undefined },
      gasMoney: {
        requireReserve: async (id: TaskId) => {
          if (isWalletPoor) throw new ProviderError(`no gas for ${id}`, REFILL);
        },
      },
      submitter: { submit: async (submission: Submission) => void submitted.push(submission) },
    } as unknown as StepContext;
    const record = { id: ID, order: { modelHash: HASH, units, config } } as unknown as JobRecord;
    return accept(context, record, new AbortController().signal, 0).then(
      () => null,
      (error: TaskRefusedError) => error,
    );
  };

  it("sends nothing for an order that is no longer valid, and says so", async () => {
    now = VALID_UNTIL + 1;
    expect((await run())?.message).to.equal("The order was valid until 2027-01-15T08:00:00.000Z.");
    expect(submitted).to.deep.equal([]);
  });

  it("accepts if the disk has room", async () => {
    expect(await run()).to.equal(null);
    expect(submitted.map(({ step }) => step)).to.deep.equal(["accept"]);
  });

  it("sends nothing for a model whose copies do not fit on the disk, and says so", async () => {
    makeModelHuge();
    const error = await run();
    expect(error).to.be.instanceOf(TaskRefusedError).and.to.include({ reason: "ProviderBusy" });
    expect(error!.message).to.equal(
      `The task needs ${3 * HUGE} bytes of disk, more than the provider has free.`,
    );
    expect(submitted).to.deep.equal([]);
  });

  it("sends nothing while the machine cannot use its GPU, and retries", async () => {
    const broken = new ProviderError("No driver.", { retryable: true, hint: "Load it." });
    const trainer = { checkMachine: () => Promise.reject(broken) };
    expect(await run({ trainer })).to.equal(broken);
    expect(submitted).to.deep.equal([]);
  });

  it("requires no disk space for the model if an adapter is trained", async () => {
    makeModelHuge();
    expect(await run({ config: { lora: true } })).to.equal(null);
    expect(submitted).to.have.length(1);
  });

  it("does not accept a task that the wallet cannot pay the gas for, and does not fail it either", async () => {
    isWalletPoor = true;
    expect(await run())
      .to.be.instanceOf(ProviderError)
      .and.not.instanceOf(TaskRefusedError);
    expect(submitted).to.deep.equal([]);
    state = ACCEPTED; // accepted tasks continue
    expect(await run()).to.equal(null);
    expect(submitted).to.have.length(1);
  });

  it("sends nothing for an order that is no longer valid, and says so", async () => {
    now = VALID_UNTIL + 1;
    expect((await run())?.message).to.equal("The order was valid until 2027-01-15T08:00:00.000Z.");
    expect(submitted).to.deep.equal([]);
  });

  it("accepts nothing while the machine cannot train, and refuses nothing because of it", async () => {
    isBroken = true;
    const error = await run();
    expect(error).not.to.be.instanceOf(TaskRefusedError);
    expect(error).to.include({ retryable: true, strikes: null });
    expect(submitted).to.deep.equal([]);
  });

  it("does not refuse a task that has been accepted already", async () => {
    makeModelHuge();
    state = ACCEPTED;
    expect(await run()).to.equal(null);
  });
});
