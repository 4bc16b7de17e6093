import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { StateUnusableError } from "../../../../provider/errors.ts";
import { applyEvent } from "../../../../provider/jobs/applyEvent.ts";
import { newJob } from "../../../../provider/machine/machine.ts";
import { type Identity, SqliteStore } from "../../../../provider/store/SqliteStore.ts";
import type { JobRecord } from "../../../../provider/store/Store.ts";
import { SCHEMA } from "../../../../provider/store/schema.ts";
import type { Root, TaskId } from "../../../../sdk/ids.ts";

const IDENTITY: Identity = { chainId: 31337, genesis: "0xaa", serving: "0xbb", provider: "0xcc" };
const ID = `0x${"11".repeat(16)}` as TaskId;
const ROOT = `0x${"22".repeat(32)}` as Root;

function record(id: TaskId = ID, blockNumber = 5): JobRecord {
  return {
    id,
    user: "0xUser",
    fee: 2n ** 95n,
    order: {
      provider: "0xcc",
      nonce: 0n,
      units: 2n ** 64n - 1n,
      offer: 1,
      validUntil: 2 ** 40 - 1,
      maxFee: 2n ** 96n - 1n,
      modelHash: ROOT,
      datasetRoot: ROOT,
      validationRoot: null,
      blindRoot: ROOT,
      userKey: "0x02",
      config: { n_epochs: 2, learning_rate: 1e-4 },
    },
    blockNumber,
    job: newJob(),
    facts: {},
  };
}

const created = { type: "chain", state: "Created", deadline: 0, trainingTime: 100 } as const;

describe("SqliteStore", () => {
  let directory: string;
  let store: SqliteStore;

  /** What a new process finds after this one died. */
  const reopen = () => {
    store.close();
    store = SqliteStore.open(directory);
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "anneal-store-"));
    store = SqliteStore.open(directory);
  });

  afterEach(() => {
    store.close();
    rmSync(directory, { recursive: true });
  });

  it("restores a job exactly, including the largest amounts", () => {
    store.putJob(record());
    reopen();
    expect(store.job(ID)).to.deep.equal(record());
  });

  it("is readable by its owner alone", () => {
    expect(statSync(join(directory, "state.db")).mode & 0o077).to.equal(0);
  });

  it("keeps an effect after a crash between the commit and the effect, and has it once", () => {
    store.putJob(record());
    applyEvent(store, ID, created);
    reopen();
    const effect = { id: ID, step: "verify", failures: 0, strikes: 0 };
    expect(store.openEffects()).to.deep.equal([effect]);
    applyEvent(store, ID, created); // the same event again
    expect(store.openEffects()).to.have.length(1);
  });

  it("commits the end of a step, what it found and the next step together", () => {
    store.putJob(record());
    applyEvent(store, ID, { ...created, state: "Accepted", deadline: 1_000 });
    applyEvent(store, ID, { type: "done", step: "verify" }, { model: "tiny" });
    applyEvent(store, ID, { type: "slot" });
    reopen();
    expect(store.job(ID)?.facts.model).to.equal("tiny");
    expect(store.openEffects().map(({ step }) => step)).to.deep.equal(["fetch"]);
  });

  it("writes nothing of a transaction that fails halfway", () => {
    store.putJob(record());
    expect(() =>
      store.transaction(() => {
        applyEvent(store, ID, created);
        throw new Error("crash");
      }),
    ).to.throw("crash");
    expect(store.job(ID)?.job).to.deep.equal(newJob());
    expect(store.openEffects()).to.deep.equal([]);
  });

  it("ignores what a dropped step found", () => {
    store.putJob(record());
    applyEvent(store, ID, created);
    applyEvent(store, ID, { type: "done", step: "fetch" }, { train: "data/old.jsonl" });
    expect(store.job(ID)?.facts).to.deep.equal({});
  });

  it("counts a step's failures, and those that count against its task, across restarts", () => {
    store.putJob(record());
    applyEvent(store, ID, created);
    store.failEffect(ID, "verify", 0);
    store.failEffect(ID, "verify", 1);
    reopen();
    expect(store.openEffects()).to.deep.equal([
      { id: ID, step: "verify", failures: 2, strikes: 1 },
    ]);
  });

  it("migrates the state of version 1, its open steps and jobs", () => {
    store.close();
    const path = join(directory, "state.db");
    for (const file of ["", "-wal", "-shm"]) rmSync(`${path}${file}`, { force: true });
    const old = new DatabaseSync(path);
    old.exec(`${SCHEMA}; PRAGMA user_version = 1;`);
    const { job, order, ...rest } = record();
    const { modelHash: model, ...known } = order;
    const oldOrder = { ...known, model, config: '{"learning_rate":0.0001,"n_epochs":2}' };
    const text = (value: unknown) =>
      JSON.stringify(value, (_, each) => (typeof each === "bigint" ? `${each}` : each));
    old
      .prepare("INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)")
      .run(
        ID,
        rest.user,
        `${rest.fee}`,
        text(oldOrder),
        5,
        text({ ...job, pending: "train" }),
        "{}",
      );
    old.prepare("INSERT INTO effects VALUES (?, 'train', 2, ?, 1)").run(ID, Date.now() + 3_600_000);
    old.prepare("INSERT INTO trainers VALUES (?, 1, 'boot/1')").run(ID);
    old.close();
    store = SqliteStore.open(directory);
    expect(store.job(ID)).to.deep.equal({ ...record(), job: { ...job, pending: "train" } });
    expect(store.openEffects()).to.deep.equal([{ id: ID, step: "train", failures: 2, strikes: 0 }]);
    reopen();
    expect(store.openEffects()).to.have.length(1);
  });

  it("stays stale if there was more to read after reading began", () => {
    store.putJob(record());
    store.markStale(ID);
    const staleness = store.staleness(ID);
    store.markStale(ID);
    store.clearStale(ID, staleness);
    expect(store.staleJobs(10)).to.deep.equal([ID]);
    store.clearStale(ID, store.staleness(ID));
    expect(store.staleJobs(10)).to.deep.equal([]);
  });

  it("counts an event once, however often it is seen", () => {
    const event = {
      id: ID,
      name: "TaskAcknowledged",
      blockNumber: 7,
      blockHash: "0x07",
      transactionHash: "0x1",
      logIndex: 0,
    };
    expect(store.putEvent(event)).to.equal(true);
    expect(store.putEvent(event)).to.equal(false);
    expect(store.hasEvent(ID, "TaskAcknowledged")).to.equal(true);
    expect(store.rewindTo(6)).to.deep.equal([ID]);
    expect(store.hasEvent(ID, "TaskAcknowledged")).to.equal(false);
  });

  it("reopens a transaction whose block was reorganized away, with its nonce", () => {
    store.putSigned(3, "effect", { hash: "0xh", raw: "0xr" });
    store.endTransaction(3, { status: "mined", blockNumber: 9 });
    expect(store.openTransaction("effect")).to.equal(null);
    store.rewindTo(8);
    expect(store.openTransaction("effect")?.nonce).to.equal(3);
  });

  it("refuses a second nonce for a pending effect", () => {
    store.putSigned(3, "effect", { hash: "0x1", raw: "0x1" });
    expect(() => store.putSigned(4, "effect", { hash: "0x2", raw: "0x2" })).to.throw("UNIQUE");
    store.putSigned(3, "effect", { hash: "0x3", raw: "0x3" }); // higher fees, same nonce
    expect(store.openTransaction("effect")?.versions).to.have.length(2);
  });

  it("accepts the nonce of a signed request once, until it expires with its deadline", () => {
    expect(store.useNonce("0xUser", "0x01", 100, 50)).to.equal(true);
    expect(store.useNonce("0xUser", "0x01", 100, 60)).to.equal(false);
    expect(store.useNonce("0xOther", "0x01", 100, 60)).to.equal(true);
    reopen();
    expect(store.useNonce("0xUser", "0x01", 100, 70)).to.equal(false);
  });

  it("refuses a second daemon, and accepts the next one after a kill", () => {
    const script = `
      import { SqliteStore } from ${JSON.stringify(join(import.meta.dirname, "../../../../provider/store/SqliteStore.ts"))};
      try { SqliteStore.open(${JSON.stringify(directory)}); }
      catch (error) { console.log(error.message); process.exit(0); }
      console.log("opened");
      process.kill(process.pid, "SIGKILL"); // without closing
    `;
    const second = () =>
      spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" })
        .stdout;
    expect(second()).to.match(/Another provider daemon is using/);
    store.close();
    expect(second()).to.match(/opened/);
    store = SqliteStore.open(directory);
  });

  it("is never used for another chain, contract or provider", () => {
    store.claim(IDENTITY);
    store.close();
    for (const changed of [
      { chainId: 1 },
      { genesis: "0xdd" },
      { serving: "0xdd" },
      { provider: "0xdd" },
    ]) {
      store = SqliteStore.open(directory);
      expect(() => store.claim({ ...IDENTITY, ...changed })).to.throw(/belongs to another/);
      store.close();
    }
    store = SqliteStore.open(directory);
    store.claim(IDENTITY);
  });

  it("forgets the transactions of another operator, whose nonces are another account's", () => {
    store.claim(IDENTITY);
    expect(store.operator()).to.equal(null);
    expect(store.useOperator("0xaa")).to.equal(false);
    store.putSigned(41, "effect", { hash: "0x01", raw: "0x02" });
    expect(store.useOperator("0xaa")).to.equal(false);
    expect(store.highestNonce()).to.equal(41);
    expect(store.useOperator("0xbb")).to.equal(true);
    expect(store.operator()).to.equal("0xbb");
    expect(store.highestNonce()).to.equal(null);
    expect(store.openTransaction("effect")).to.equal(null);
    expect(store.minedTransaction("effect")).to.equal(null);
  });

  it("is not opened if a page is damaged, and says what to do", () => {
    store.transaction(() => {
      for (let i = 0; i < 200; i++)
        store.putJob(record(`0x${String(i).padStart(32, "0")}` as TaskId, i));
    });
    store.close();
    const path = join(directory, "state.db");
    const bytes = readFileSync(path);
    bytes.fill(0xa5, 5 * 4_096, 9 * 4_096);
    writeFileSync(path, bytes);
    try {
      SqliteStore.open(directory);
      expect.fail("was opened");
    } catch (error) {
      expect(error).to.be.instanceOf(StateUnusableError);
      expect((error as StateUnusableError).hint).to.match(/backup/);
    } finally {
      rmSync(path);
      store = SqliteStore.open(directory);
    }
  });

  it("discards a change of an open job whose transaction failed", () => {
    store.putJob(record());
    expect(store.openJobs()).to.have.length(1);
    const changed = { ...record(), facts: { archive: "aa" } };
    expect(() =>
      store.transaction(() => {
        store.putJob(changed);
        throw new Error("no");
      }),
    ).to.throw("no");
    expect(store.openJobs()).to.deep.equal([record()]);
    expect(store.job(ID)).to.deep.equal(record());
  });
});
