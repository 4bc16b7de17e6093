import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { expect } from "chai";
import { concat, getBytes, hexlify, keccak256, ZeroHash } from "ethers";
import { after, before, beforeEach, describe, it } from "mocha";
import { createStorageServer } from "../../../../provider/storage/storageServer.ts";
import { getAccount } from "../../../../sdk/account/getAccount.ts";
import { getSubAccount } from "../../../../sdk/account/getSubAccount.ts";
import { createClient } from "../../../../sdk/client.ts";
import {
  acknowledge,
  confirm,
  deliver,
  demandChunk,
  expire,
  finalize,
  lapse,
  proveMisbehaviour,
  reveal,
} from "../../../../sdk/deliverable/calls.ts";
import { downloadDeliverable } from "../../../../sdk/deliverable/downloadDeliverable.ts";
import { findMisbehaviour } from "../../../../sdk/deliverable/findMisbehaviour.ts";
import { getDelivery } from "../../../../sdk/deliverable/getDelivery.ts";
import { openDeliverable } from "../../../../sdk/deliverable/openDeliverable.ts";
import { sharedBlind } from "../../../../sdk/exchange/blind.ts";
import { PageMismatchError } from "../../../../sdk/exchange/PageMismatchError.ts";
import { sealFile } from "../../../../sdk/exchange/seal.ts";
import { keyCommit } from "../../../../sdk/exchange/segmentKey.ts";
import type { Root, TaskId } from "../../../../sdk/ids.ts";
import { updateService } from "../../../../sdk/service/calls.ts";
import { upload } from "../../../../sdk/storage/upload.ts";
import { acceptTask } from "../../../../sdk/task/calls.ts";
import type { Delivery } from "../../../../sdk/task/Delivery.ts";
import { getTask } from "../../../../sdk/task/getTask.ts";
import { getTaskOrder } from "../../../../sdk/task/getTaskOrder.ts";
import { fetchTaskEvents } from "../../../../sdk/task/taskEvents.ts";
import { send } from "../../../../sdk/transaction/send.ts";
import { ENCRYPTION_SECRET, MarketFixture } from "../../../helpers/MarketFixture.ts";
import { rejection } from "../../../helpers/rejection.ts";
import { spoilPage } from "../../../helpers/spoilPage.ts";

const FEE = 10n ** 9n;
const BOND = (FEE * 3n) / 2n;
const MIB = 1024 * 1024;

describe("sdk/deliverable: the life of a task with real bytes", () => {
  const s = new Uint8Array(32).fill(9);
  const archive = randomBytes(MIB + 1);
  let market: MarketFixture;
  let storage: Awaited<ReturnType<typeof createStorageServer>>;
  let directory: string;
  let fresh: string;
  const path = (name: string) => join(directory, name);

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "anneal-deliverable-"));
    storage = await createStorageServer({
      directory: path("storage"),
      limits: {
        totalBytes: 64 * MIB,
        uploadBytes: 16 * MIB,
        freeDiskBytes: 0,
        abandonedAfterMs: 3_600_000,
      },
    });
    await storage.listen({ host: "127.0.0.1", port: 0 });
    const { port } = storage.server.address() as AddressInfo;
    market = await MarketFixture.open({ storageUrl: `http://127.0.0.1:${port}` });
    await writeFile(path("model.zip"), archive);
    fresh = await market.chain.snapshot();
  });
  beforeEach(async () => {
    await market.chain.revert(fresh);
    fresh = await market.chain.snapshot();
    await rm(path("encrypted"), { force: true });
    await rm(path("opened.zip"), { force: true });
  });
  after(async () => {
    await market.close();
    await storage.close();
    await rm(directory, { recursive: true });
  });

  const task = (id: TaskId) => getTask(market.reader, { id });

  /** As the provider does: keys from the order alone, seal, upload. */
  async function seal(id: TaskId): Promise<Delivery> {
    const order = await getTaskOrder(market.provider, await task(id));
    const u = sharedBlind(ENCRYPTION_SECRET, getBytes(order.userKey));
    const keys = { taskId: id, u, s };
    const sealed = await sealFile(path("model.zip"), path("sealed"), keys);
    await upload(market.provider.storageUrl, path("sealed"));
    return {
      id,
      size: sealed.size,
      fee: (await task(id)).fee,
      root: sealed.root,
      contentRoot: sealed.contentRoot,
      keyCommit: hexlify(keyCommit(s)),
      receiptRoot: ZeroHash,
    };
  }

  async function deliverTask(change: Partial<Delivery> = {}): Promise<TaskId> {
    const { provider } = market;
    const id = await market.order();
    await send(provider, acceptTask(provider, { id }));
    const delivery = { ...(await seal(id)), ...change };
    await send(provider, deliver(provider, { delivery }));
    return id;
  }

  async function download(id: TaskId): Promise<void> {
    const { user } = market;
    const targetPath = path("encrypted");
    await downloadDeliverable(user, { task: await task(id), targetPath });
  }

  async function acknowledgeTask(id: TaskId): Promise<void> {
    const { user } = market;
    const { root } = await task(id);
    await send(user, acknowledge(user, { id, root: root! }));
  }

  async function revealKey(id: TaskId): Promise<void> {
    const { provider } = market;
    const { blindRoot, contentRoot } = (await getDelivery(provider, await task(id)))!;
    await send(provider, reveal(provider, { id, key: hexlify(s), blindRoot, contentRoot }));
  }

  const openModel = async (id: TaskId, client = market.user) =>
    openDeliverable(client, {
      task: await task(id),
      encryptedPath: path("encrypted"),
      outputPath: path("opened.zip"),
    });

  const subAccount = (account: string) =>
    getSubAccount(market.reader, { account, provider: market.provider.address });

  it("goes from the order to the decrypted model, and every neuron is accounted for", async () => {
    const { user, provider, reader, chain } = market;
    const { minimumStake } = chain.parameters;
    const before = await getAccount(reader, { account: provider.address });
    const id = await market.order();
    expect(await subAccount(user.address)).to.include({ balance: FEE, reserved: FEE, free: 0n });

    await send(provider, acceptTask(provider, { id }));
    expect(await subAccount(provider.address)).to.include({ reserved: minimumStake + BOND });

    const delivery = await seal(id);
    await send(provider, deliver(provider, { delivery }));
    expect(await task(id)).to.include({ state: "Delivered", root: delivery.root });
    const { blindRoot } = await getTaskOrder(reader, await task(id));
    expect(await getDelivery(reader, await task(id))).to.deep.equal({
      ...delivery,
      blindRoot,
      key: null,
    });
    const commitments = [blindRoot, delivery.contentRoot, delivery.keyCommit];
    expect((await task(id)).exchange).to.equal(keccak256(concat(commitments)));
    expect((await subAccount(user.address)).deliverables).to.deep.equal([
      { taskId: id, root: delivery.root, confirmed: false },
    ]);

    const seen: number[] = [];
    const { size } = await downloadDeliverable(user, {
      task: await task(id),
      targetPath: path("encrypted"),
      onProgress: ({ bytes }) => seen.push(bytes),
    });
    expect(seen.at(-1)).to.equal(size);
    expect((await readFile(path("encrypted"))).equals(await readFile(path("sealed")))).to.equal(
      true,
    );
    await acknowledgeTask(id);
    expect((await task(id)).progress).to.equal("UserAcknowledged");
    expect((await subAccount(user.address)).deliverables[0]!.confirmed).to.equal(true);

    await revealKey(id);
    expect(await task(id)).to.include({ state: "Revealed", progress: "Finished" });
    expect((await getDelivery(reader, await task(id)))!.key).to.equal(hexlify(s));
    expect(await openModel(id)).to.deep.equal({ size: archive.length });
    expect((await readFile(path("opened.zip"))).equals(archive)).to.equal(true);

    await send(user, confirm(user, { id }));
    expect(await task(id)).to.include({ state: "Settled", paid: FEE });
    expect(await subAccount(user.address)).to.include({ balance: 0n, reserved: 0n });
    const earned = await getAccount(reader, { account: provider.address });
    expect(earned.total).to.equal(before.total + FEE);
    expect(await subAccount(provider.address)).to.include({ reserved: minimumStake });
    expect((await subAccount(user.address)).deliverables[0]!.confirmed).to.equal(true);
  });

  it("shows the history of a delivered task in its events", async () => {
    const id = await deliverTask();
    await acknowledgeTask(id);
    await revealKey(id);
    await market.chain.increaseTime(market.chain.parameters.disputePeriod + 1n);
    await send(market.stranger, finalize(market.stranger, { ids: [id, id] }));
    const events = await fetchTaskEvents(market.reader, await task(id));
    const { root, size } = await task(id);
    expect(events.map(({ name }) => name)).to.deep.equal([
      "TaskCreated",
      "TaskAccepted",
      "TaskDelivered",
      "TaskAcknowledged",
      "KeyRevealed",
      "TaskSettled",
    ]);
    const delivery = { id, root, size, keyCommit: hexlify(keyCommit(s)) };
    expect((events[2] as { delivery?: unknown }).delivery).to.deep.include(delivery);
    expect(events[3]).to.deep.include({ root, late: false });
    expect(events[4]).to.deep.include({ key: hexlify(s) });
    expect(events[5]).to.deep.include({ paid: FEE });
  });

  it("has nothing to download before the delivery", async () => {
    const id = await market.order();
    const error = await rejection(download(id));
    expect(error.code).to.equal("too-early");
    expect(error.next).to.deep.equal({ verb: "getTask", parameters: { id } });
  });

  it("says what must happen before the model can be decrypted", async () => {
    const { provider } = market;
    const id = await market.order();
    const accepted = await rejection(openModel(id));
    expect(accepted.code).to.equal("too-early");
    expect(accepted.message).to.equal("The provider has not revealed the key yet.");
    expect(accepted.hint).to.equal("See the state of the task.");
    expect(accepted.next).to.deep.equal({ verb: "getTask", parameters: { id } });
    await send(provider, acceptTask(provider, { id }));
    const delivery = await seal(id);
    await send(provider, deliver(provider, { delivery }));
    expect((await rejection(openModel(id))).next).to.deep.equal({
      verb: "acknowledge",
      parameters: { id },
    });
    await download(id);
    await acknowledgeTask(id);
    const { deadline } = await task(id);
    expect((await rejection(openModel(id))).hint).to.contain(
      new Date(deadline * 1_000).toISOString(),
    );
    await market.chain.increaseTime(market.chain.parameters.revealPeriod + 1n);
    await send(provider, expire(provider, { id }));
    const expired = await rejection(openModel(id));
    expect(expired.code).to.equal("not-found");
    expect(expired.message).to.contain("ended as Expired");
    expect((await subAccount(market.user.address)).deliverables[0]!.confirmed).to.equal(true);
  });

  it("refuses an acknowledgement of another root", async () => {
    const { user } = market;
    const id = await deliverTask();
    const root = `0x${"12".repeat(32)}` as Root;
    const error = await rejection(send(user, acknowledge(user, { id, root })));
    expect(error.code).to.equal("integrity");
    expect(error.message).to.contain((await task(id)).root);
  });

  it("refuses another key from the provider, and any other opening of the commitment", async () => {
    const { provider } = market;
    const id = await deliverTask();
    await acknowledgeTask(id);
    const { blindRoot, contentRoot } = (await getDelivery(provider, await task(id)))!;
    const right = { id, key: hexlify(s), blindRoot, contentRoot };
    const other = `0x${"12".repeat(32)}`;
    for (const part of ["key", "blindRoot", "contentRoot"]) {
      const wrong = reveal(provider, { ...right, [part]: other });
      expect((await rejection(send(provider, wrong))).code, part).to.equal("integrity");
    }
  });

  it("warns before the acknowledgement if the stored file cannot be the committed one", async () => {
    for (const size of [archive.length - 4_096, 1]) {
      await market.chain.revert(fresh);
      fresh = await market.chain.snapshot();
      await rm(path("encrypted"), { force: true });
      const id = await deliverTask({ size });
      const error = await rejection(download(id));
      expect(error.code, `${size}`).to.equal("integrity");
      expect(error.hint).to.contain("Do not acknowledge");
    }
  });

  it("refuses a delivery with a size that no container has", async () => {
    const { provider } = market;
    const id = await market.order();
    await send(provider, acceptTask(provider, { id }));
    const sealed = await seal(id);
    for (const size of [0, 2 ** 47 + 1]) {
      const delivery = { ...sealed, size };
      const error = await rejection(send(provider, deliver(provider, { delivery })));
      expect(error.code, `${size}`).to.equal("usage");
    }
  });

  it("reports a model that the provider never stored", async () => {
    const id = await deliverTask({ root: `0x${"12".repeat(32)}` as Root });
    expect((await rejection(download(id))).code).to.equal("not-found");
    expect(await readdir(directory)).not.to.include("encrypted");
  });

  /** A task at whose end the user has a model that does not open. */
  async function cheat(fault: { page: number } | { contentRoot: string }): Promise<TaskId> {
    const { provider } = market;
    const id = await market.order();
    await send(provider, acceptTask(provider, { id }));
    const honest = await seal(id);
    const delivery =
      "page" in fault
        ? { ...honest, root: await spoilPage(path("sealed"), fault.page) }
        : { ...honest, ...fault };
    await upload(provider.storageUrl, path("sealed"));
    await send(provider, deliver(provider, { delivery }));
    await download(id);
    await acknowledgeTask(id);
    await revealKey(id);
    return id;
  }

  async function openingError(id: TaskId): Promise<PageMismatchError> {
    const error = await rejection(openModel(id));
    expect(error).to.be.instanceOf(PageMismatchError);
    const names = await readdir(directory);
    expect(names.filter((name) => name.startsWith("opened"))).to.deep.equal([]);
    return error as PageMismatchError;
  }

  const find = async (id: TaskId, page: number) =>
    findMisbehaviour(market.user, {
      task: await task(id),
      encryptedPath: path("encrypted"),
      page,
    });

  // 257 data pages, three hash pages above them, the top page above these
  const faults: [string, number, Parameters<typeof cheat>[0]][] = [
    ["a data page", 100, { page: 100 }],
    ["a hash page", 258, { page: 258 }],
    ["the top page", 260, { page: 260 }],
    ["a random contentRoot", 260, { contentRoot: `0x${"12".repeat(32)}` }],
  ];
  for (const [name, page, fault] of faults) {
    it(`proves ${name} that was not committed to, and the user gets the money back`, async () => {
      const { user, provider, reader, chain } = market;
      const id = await cheat(fault);
      expect(await openingError(id)).to.include({ page, exitCode: 10 });
      const before = await getAccount(reader, { account: user.address });
      const proof = await find(id, page);
      await send(user, proveMisbehaviour(user, { id, proof }));
      expect(await task(id)).to.include({ state: "Slashed", progress: "Failed", paid: 0n });
      expect(await subAccount(user.address)).to.include({ balance: FEE, free: FEE, reserved: 0n });
      const now = await getAccount(reader, { account: user.address });
      expect(now.available - before.available).to.equal(BOND / 2n);
      const { minimumStake } = chain.parameters;
      expect(await subAccount(provider.address)).to.include({ reserved: minimumStake });
      const events = await fetchTaskEvents(reader, await task(id));
      expect(events.at(-1)).to.deep.include({
        name: "TaskSlashed",
        page: BigInt(page),
        compensation: BOND / 2n,
        burned: BOND / 2n,
      });
      const again = await rejection(openModel(id));
      expect(again.code).to.equal("task-failed-by-provider");
    });
  }

  it("returns the rest of the fee, without a bond, if the user acknowledged late", async () => {
    const { user, provider, reader, stranger } = market;
    const id = await market.order();
    await send(provider, acceptTask(provider, { id }));
    const honest = await seal(id);
    const delivery = { ...honest, contentRoot: `0x${"12".repeat(32)}` };
    await send(provider, deliver(provider, { delivery }));
    await market.chain.increaseTime(market.chain.parameters.ackPeriod + 1n);
    await send(stranger, lapse(stranger, { id }));
    await download(id);
    await acknowledgeTask(id);
    await revealKey(id);
    const before = await getAccount(reader, { account: user.address });
    const proof = await find(id, 260);
    await send(user, proveMisbehaviour(user, { id, proof }));
    expect(await task(id)).to.include({ state: "Slashed", paid: (FEE * 3n) / 10n });
    expect((await subAccount(user.address)).free).to.equal((FEE * 7n) / 10n);
    const now = await getAccount(reader, { account: user.address });
    expect(now.available).to.equal(before.available);
  });

  it("shows a delivery as unconfirmed that expired because a demand was not answered", async () => {
    const { user, provider, stranger } = market;
    const order = async (isAcknowledged: boolean) => {
      const id = await market.order();
      await send(provider, acceptTask(provider, { id }));
      const delivery = await seal(id);
      await send(provider, deliver(provider, { delivery }));
      await send(user, demandChunk(user, { id, index: 0 }));
      if (isAcknowledged) await acknowledgeTask(id);
      // Longer than any deadline of a delivered task.
      await market.chain.increaseTime(30n * 24n * 3_600n);
      await send(stranger, expire(stranger, { id }));
      expect(await task(id)).to.include({ state: "Expired" });
      return (await subAccount(user.address)).deliverables.find(({ taskId }) => taskId === id);
    };
    expect(await order(false)).to.include({ confirmed: false });
    expect(await order(true)).to.include({ confirmed: true });
  });

  it("treats a byte that changed on the user's disk as local damage, never as misbehaviour", async () => {
    const id = await deliverTask();
    await download(id);
    await acknowledgeTask(id);
    await revealKey(id);
    await spoilPage(path("encrypted"), 170, 3_680);
    const { page } = await openingError(id);
    expect(page).to.equal(170);
    const error = await rejection(find(id, page));
    expect(error.code).to.equal("integrity");
    expect(error.message).to.contain("damaged on this machine");
    expect(error.next).to.deep.equal({ verb: "downloadDeliverable", parameters: { id } });
  });

  it("slashes nobody for an honest page, and pays nobody but the user", async () => {
    const { user, stranger } = market;
    const id = await deliverTask();
    await download(id);
    await acknowledgeTask(id);
    await revealKey(id);
    const proof = await find(id, 100);
    const honest = await rejection(send(user, proveMisbehaviour(user, { id, proof })));
    expect(honest.code).to.equal("declined");
    const elsewhere = await rejection(
      send(user, proveMisbehaviour(user, { id, proof: { ...proof, page: 101 } })),
    );
    expect(elsewhere.code).to.equal("integrity");
    const theirs = await rejection(send(stranger, proveMisbehaviour(stranger, { id, proof })));
    expect(theirs.code).to.equal("reverted");
    expect((await task(id)).state).to.equal("Revealed");
  });

  it("decrypts for the wallet that ordered, and for no other", async () => {
    const id = await deliverTask();
    await download(id);
    await acknowledgeTask(id);
    await revealKey(id);
    const error = await rejection(openModel(id, market.stranger));
    expect(error.code).to.equal("usage");
    expect(error.message).to.contain(market.user.address);
    expect(error.next).to.deep.equal({ setting: "privateKey" });
  });

  it("decrypts after the provider has changed its encryption key, and on another machine", async () => {
    const { provider, terms, user, chain } = market;
    const id = await deliverTask();
    await download(id);
    await acknowledgeTask(id);
    await revealKey(id);
    const encryptionKey = hexlify(secp256k1.getPublicKey(new Uint8Array(32).fill(8), true));
    await send(provider, updateService(provider, { terms: { ...terms, encryptionKey } }));
    const elsewhere = createClient({
      rpcUrl: chain.rpcUrl,
      deployment: chain.deployment,
      storageUrl: user.storageUrl,
      privateKey: chain.accounts[2]!.privateKey,
    });
    await openModel(id, { ...elsewhere, address: user.address });
    elsewhere.provider.destroy();
    expect((await readFile(path("opened.zip"))).equals(archive)).to.equal(true);
  });

  it("resumes an interrupted download", async () => {
    const { user } = market;
    const id = await deliverTask();
    const stop = new AbortController();
    let reason: unknown;
    await downloadDeliverable(user, {
      task: await task(id),
      targetPath: path("encrypted"),
      signal: stop.signal,
      onProgress: ({ bytes }) => {
        if (bytes > 0) stop.abort(new Error("enough"));
      },
    }).catch((error) => {
      reason = error;
    });
    expect(reason).to.equal(stop.signal.reason);
    expect(await readdir(directory)).not.to.include("encrypted");
    const starts: number[] = [];
    await downloadDeliverable(user, {
      task: await task(id),
      targetPath: path("encrypted"),
      onProgress: ({ bytes }) => starts.push(bytes),
    });
    expect(starts[0]).to.be.greaterThan(0);
  });
});
