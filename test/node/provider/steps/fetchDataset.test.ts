import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { systemClock } from "../../../../provider/clock.ts";
import { EncryptionKey } from "../../../../provider/EncryptionKey.ts";
import { EncryptionKeys } from "../../../../provider/EncryptionKeys.ts";
import { ProviderError, TaskRefusedError } from "../../../../provider/errors.ts";
import { jobPaths } from "../../../../provider/files/jobPaths.ts";
import { fetchDataset, MAX_ATTEMPTS } from "../../../../provider/steps/fetchDataset.ts";
import { FetchBudget } from "../../../../provider/steps/parts/FetchBudget.ts";
import type { StepContext } from "../../../../provider/steps/parts/StepContext.ts";
import type { JobRecord } from "../../../../provider/store/Store.ts";
import { sealDataset } from "../../../../sdk/exchange/sealDataset.ts";
import { datasetKeyFromSignature } from "../../../../sdk/exchange/userKey.ts";
import { parseRoot, parseTaskId, type Root } from "../../../../sdk/ids.ts";
import { upload, uploadContent } from "../../../../sdk/storage/upload.ts";
import type { Hyperparameters } from "../../../../sdk/training/Hyperparameters.ts";
import { RATES } from "../../../helpers/MarketFixture.ts";
import { StorageNode } from "../../sdk/storage/storageNode.ts";

const TEXT = '{"text":"one"}\n{"text":"two"}\n';
const id = parseTaskId("01234567-89ab-cdef-0123-456789abcdef");
const encryptionKey = EncryptionKey.generate();
/** The registered key: datasets may still be encrypted for the earlier one. */
const currentKey = EncryptionKey.generate();
const never = new AbortController().signal;

describe("fetching a dataset", () => {
  let directory: string;
  let path: string;
  let node: StorageNode;

  beforeEach(async () => {
    budget = new FetchBudget(systemClock, 2 ** 30);
    directory = await mkdtemp(join(tmpdir(), "anneal-fetch-"));
    path = join(directory, "dataset.jsonl");
    await writeFile(path, TEXT);
    node = await StorageNode.start(join(directory, "node"));
  });
  afterEach(async () => {
    await node.stop();
    await rm(directory, { recursive: true });
  });

  async function uploadFor(receiverKey: Uint8Array): Promise<Root> {
    const deriveKey = async () => datasetKeyFromSignature(Buffer.alloc(65, 3));
    const content = await sealDataset(path, { receiverKey, deriveKey });
    try {
      return (await uploadContent(node.url, content)).root;
    } finally {
      await content.close();
    }
  }

  let budget: FetchBudget;

  /** The result of the step for an order of so many units. */
  async function fetchIt(
    datasetRoot: Root,
    units = TEXT.length,
    {
      unit = "byte",
      validationRoot = null as Root | null,
      looks = 1,
      storageUrl = node.url,
      config = { n_epochs: 1 } as Hyperparameters,
    } = {},
  ): Promise<string> {
    const context = {
      client: { storageUrl: node.url },
      publicStorageUrl: storageUrl,
      catalogue: { byHash: () => ({ kind: "causal-lm" }) },
      jobsDirectory: join(directory, "jobs"),
      maxDatasetBytes: 2 ** 21,
      encryptionKeys: new EncryptionKeys(currentKey, encryptionKey),
      fetchBudget: budget,
    } as unknown as StepContext;
    const order = { model: "0x", datasetRoot, validationRoot, units: BigInt(units), config };
    const job = { chain: "Created" };
    const record = {
      id,
      user: "ann",
      order,
      job,
      facts: { unit, rates: RATES },
    } as unknown as JobRecord;
    const { train } = await fetchDataset(context, record, never, looks - 1);
    const paths = jobPaths(context.jobsDirectory, id);
    expect(await readdir(paths.data)).to.deep.equal(["train.jsonl"]);
    return readFile(join(paths.directory, train!), "utf8");
  }

  async function expectRefused(work: Promise<unknown>, reason: string): Promise<TaskRefusedError> {
    const error = (await work.catch((e) => e)) as TaskRefusedError;
    expect(error).to.be.instanceOf(TaskRefusedError);
    expect(error.reason).to.equal(reason);
    return error;
  }

  const missing = parseRoot(`0x${"ab".repeat(32)}`);
  const own = () => Buffer.from(encryptionKey.publicKey.slice(2), "hex");

  it("keeps a plain one as it is, and decrypts one that was encrypted for this provider", async () => {
    expect(await fetchIt((await upload(node.url, path)).root)).to.equal(TEXT);
    expect(await fetchIt(await uploadFor(own()))).to.equal(TEXT);
  });

  it("decrypts one again after a crash between decrypting and continuing", async () => {
    const root = await uploadFor(own());
    await fetchIt(root);
    expect(await fetchIt(root)).to.equal(TEXT);
  });

  it("counts the bytes of the user's file, not of the stored one", async () => {
    const root = await uploadFor(own());
    await expectRefused(fetchIt(root, TEXT.length - 1), "DatasetLargerThanDeclared");
  });

  it("refuses one that was encrypted for somebody else, and says what to do", async () => {
    const error = await expectRefused(
      fetchIt(await uploadFor(secp256k1.keygen().publicKey)),
      "DatasetInvalid",
    );
    expect(error.message).to.include("encrypted for another provider");
    expect(error.hint).to.include("encrypted for the provider");
  });

  it("waits for one that is not in storage yet, and refuses it after the last attempt", async () => {
    const nowhere = parseRoot(`0x${"ab".repeat(32)}`);
    const early = (await fetchIt(nowhere).catch((error) => error)) as ProviderError;
    expect(early).to.be.instanceOf(ProviderError).and.not.instanceOf(TaskRefusedError);
    expect(early).to.include({ retryable: true, strikes: 1 });
    await expectRefused(
      fetchIt(nowhere, TEXT.length, { looks: MAX_ATTEMPTS }),
      "DatasetUnavailable",
    );
  });

  it("fetches no byte of one that is larger than its tokens can be", async () => {
    await writeFile(path, `${JSON.stringify({ text: "a".repeat(2 ** 20 + 8_192) })}\n`);
    const { root } = await upload(node.url, path);
    await expectRefused(fetchIt(root, 1, { unit: "token" }), "DatasetLargerThanDeclared");
    const part = join(jobPaths(join(directory, "jobs"), id).data, "train.fetched.part");
    expect((await stat(part)).blocks).to.equal(0);
  });

  it("fetches no byte of a large validation dataset that an order of one row does not pay for", async () => {
    const { root } = await upload(node.url, path);
    const large = join(directory, "large.jsonl");
    await writeFile(large, TEXT.repeat(2 ** 20 / TEXT.length + 300));
    const { root: validationRoot, size } = await upload(node.url, large);
    for (const config of [{ n_epochs: 1 }, { n_epochs: 1, n_evals: 100 }]) {
      const evaluations = (config.n_evals ?? 1) + 1;
      const paid = Math.ceil((size * evaluations * RATES.evaluation) / 10_000);
      const options = { validationRoot, config };
      const error = fetchIt(root, Math.floor(paid * 0.9), options);
      await expectRefused(error, "DatasetLargerThanDeclared");
      const { data } = jobPaths(join(directory, "jobs"), id);
      expect((await stat(join(data, "validation.fetched.part"))).blocks).to.equal(0);
      await rm(data, { recursive: true });
    }
  });

  it("says that it is too large for this provider, whatever is paid", async () => {
    await writeFile(path, `${JSON.stringify({ text: "a".repeat(2 ** 21) })}\n`);
    const { root } = await upload(node.url, path);
    await expectRefused(fetchIt(root, 2 ** 30), "DatasetInvalid");
  });

  it("limits the bytes per hour that it fetches for a user without accepted tasks", async () => {
    const { root } = await upload(node.url, path);
    budget = new FetchBudget({ ...systemClock, now: () => now }, 2 * TEXT.length);
    let now = 0;
    await fetchIt(root);
    await rm(join(directory, "jobs"), { recursive: true });
    await fetchIt(root);
    await rm(join(directory, "jobs"), { recursive: true });
    const error = (await fetchIt(root).catch((error) => error)) as ProviderError;
    expect(error).to.include({ retryable: true, strikes: null });
    now = 3_600_001;
    expect(await fetchIt(root)).to.equal(TEXT);
  });

  it("names the storage that it reads, so that the user does not use another one again", async () => {
    const { hint } = await expectRefused(
      fetchIt(missing, TEXT.length, { looks: MAX_ATTEMPTS }),
      "DatasetUnavailable",
    );
    expect(hint).to.contain(`STORAGE_ENDPOINT=${node.url} for upload`);
  });

  it("does not name a storage whose address may hold a secret", async () => {
    const urls = [node.url.replace("//", "//me:secret@"), `${node.url}/secret`];
    for (const storageUrl of urls) {
      const { hint } = await expectRefused(
        fetchIt(missing, TEXT.length, { looks: MAX_ATTEMPTS, storageUrl }),
        "DatasetUnavailable",
      );
      expect(hint).not.to.contain("secret");
    }
  });
});
