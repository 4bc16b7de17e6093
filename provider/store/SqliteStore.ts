import { join } from "node:path";
import type { TaskId } from "../../sdk/ids.ts";
import { hasEnded, type Step } from "../machine/machine.ts";
import { Database } from "./Database.ts";
import {
  asStateUnusableError,
  inUseError,
  isLocked,
  otherIdentityError,
  otherVersionError,
} from "./failures.ts";
import { type JobRow, readJob, type TransactionRow, writeOrder } from "./rows.ts";
import type {
  BlockMark,
  Effect,
  EventMark,
  JobRecord,
  SignedVersion,
  Store,
  StoredTransaction,
  TransactionEnd,
} from "./Store.ts";
import { MIGRATIONS, SCHEMA, SCHEMA_VERSION } from "./schema.ts";

/** The owner of a state database, which is never used for another chain, contract or provider. */
export interface Identity {
  readonly chainId: number;
  /** Hash of block 0: a restarted local network is another chain. */
  readonly genesis: string;
  readonly serving: string;
  readonly provider: string;
}

/** Number of scanned blocks kept, far more than any reorganization of a proof-of-stake chain. */
const BLOCK_MARKS = 512;

/** The store in one SQLite file, `state.db`, which belongs to one daemon and one identity. */
export class SqliteStore implements Store {
  readonly #db: Database;
  readonly #directory: string;
  /** Cache of the open jobs, oldest first; null if they have to be read again. */
  #open: Map<TaskId, JobRecord> | null = null;

  private constructor(directory: string) {
    this.#directory = directory;
    this.#db = new Database(join(directory, "state.db"));
  }

  /** @throws ProviderError if another daemon uses the directory, or another version has written it. */
  static open(directory: string): SqliteStore {
    let store: SqliteStore | null = null;
    try {
      store = new SqliteStore(directory);
      store.#prepare(); // takes the lock
      store.#db.check();
      return store;
    } catch (error) {
      store?.close();
      throw isLocked(error) ? inUseError(directory) : asStateUnusableError(error);
    }
  }

  /** Binds the database permanently to `identity`. @throws ProviderError if it belongs to another one. */
  claim(identity: Identity): void {
    this.#db.transaction(() => {
      for (const [name, value] of Object.entries(identity)) {
        this.#db.run(
          "INSERT OR IGNORE INTO identity (name, value) VALUES (?, ?)",
          name,
          String(value),
        );
        if (this.#identity(name) !== String(value)) throw otherIdentityError(this.#directory, name);
      }
    });
  }

  /** Address whose transactions the database holds; null if it is new. */
  operator(): string | null {
    return this.#identity("operator");
  }

  /** Whether version 0.1.0 made the database: the encryption key then follows from the wallet's. */
  get derivesEncryptionKey(): boolean {
    return this.#identity("encryption key") === "derived";
  }

  /**
   * Sets the operator. The transactions of another one are forgotten: their nonces are another account's, and what
   * they did is read from the chain.
   * @returns whether there was another one.
   */
  useOperator(operator: string): boolean {
    return this.transaction(() => {
      const before = this.operator();
      this.#db.run(
        "INSERT OR REPLACE INTO identity (name, value) VALUES ('operator', ?)",
        operator,
      );
      if (before === null || before === operator) return false;
      this.#db.run("DELETE FROM signed_versions");
      this.#db.run("DELETE FROM transactions");
      return true;
    });
  }

  transaction<T>(work: () => T): T {
    try {
      return this.#db.transaction(work);
    } catch (error) {
      this.#open = null;
      throw error;
    }
  }

  close(): void {
    this.#db.close();
  }

  scannedBlocks(): readonly BlockMark[] {
    return this.#db.all<BlockMark>("SELECT number, hash FROM scanned_blocks ORDER BY number DESC");
  }

  putScannedBlock({ number, hash }: BlockMark): void {
    this.#db.run(
      "INSERT OR REPLACE INTO scanned_blocks (number, hash) VALUES (?, ?)",
      number,
      hash,
    );
    this.#db.run(
      `DELETE FROM scanned_blocks WHERE number <=
       (SELECT number FROM scanned_blocks ORDER BY number DESC LIMIT 1 OFFSET ?)`,
      BLOCK_MARKS,
    );
  }

  putEvent(event: EventMark): boolean {
    return this.#db.run(
      `INSERT OR IGNORE INTO events (block_hash, log_index, block_number, transaction_hash, task_id, name)
       VALUES (?, ?, ?, ?, ?, ?)`,
      event.blockHash,
      event.logIndex,
      event.blockNumber,
      event.transactionHash,
      event.id,
      event.name,
    );
  }

  hasEvent(id: TaskId, name: string): boolean {
    return (
      this.#db.get("SELECT 1 FROM events WHERE task_id = ? AND name = ? LIMIT 1", id, name) !== null
    );
  }

  rewindTo(number: number): readonly TaskId[] {
    return this.transaction(() => {
      const touched = this.#db.all<{ task_id: TaskId }>(
        "SELECT DISTINCT task_id FROM events WHERE block_number > ?",
        number,
      );
      this.#db.run("DELETE FROM events WHERE block_number > ?", number);
      this.#db.run("DELETE FROM scanned_blocks WHERE number > ?", number);
      // A transaction that is no longer mined is broadcast again, with the same nonce.
      this.#db.run(
        `UPDATE OR IGNORE transactions SET status = 'signed', block_number = NULL
         WHERE status IN ('mined', 'reverted') AND block_number > ?`,
        number,
      );
      return touched.map((row) => row.task_id);
    });
  }

  job(id: TaskId): JobRecord | null {
    const open = this.#open?.get(id);
    if (open) return open;
    const row = this.#db.get<JobRow>("SELECT * FROM jobs WHERE task_id = ?", id);
    return row && readJob(row);
  }

  refusedJobs(): number {
    const row = this.#db.get<{ count: number }>(
      "SELECT count(*) AS count FROM jobs WHERE over = 1 AND machine ->> 'chain' = 'Created'",
    );
    return row!.count;
  }

  openJobs(): readonly JobRecord[] {
    return [...this.#openJobs().values()];
  }

  #openJobs(): Map<TaskId, JobRecord> {
    this.#open ??= new Map(
      this.#db
        .all<JobRow>("SELECT * FROM jobs WHERE over = 0 ORDER BY block_number, task_id")
        .map((row) => [row.task_id, readJob(row)]),
    );
    return this.#open;
  }

  putJob(record: JobRecord): void {
    const { id, user, fee, order, blockNumber, job, facts } = record;
    this.#db.run(
      `INSERT INTO jobs (task_id, user, fee, task_order, block_number, machine, facts, over, stale)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)
       ON CONFLICT (task_id) DO UPDATE SET fee = excluded.fee, task_order = excluded.task_order,
         block_number = excluded.block_number, machine = excluded.machine, facts = excluded.facts,
         over = excluded.over`,
      id,
      user,
      fee.toString(),
      writeOrder(order),
      blockNumber,
      JSON.stringify(job),
      JSON.stringify(facts),
      hasEnded(job) ? 1 : 0,
    );
    this.#remember(record);
  }

  #remember(record: JobRecord): void {
    const known = this.#open?.get(record.id);
    if (hasEnded(record.job)) this.#open?.delete(record.id);
    else if (known?.blockNumber === record.blockNumber) this.#open?.set(record.id, record);
    else this.#open = null; // the database determines its position in the order
  }

  markStale(id: TaskId): void {
    this.#db.run("UPDATE jobs SET stale = stale + 1 WHERE task_id = ?", id);
  }

  markOpenStale(): void {
    this.#db.run("UPDATE jobs SET stale = stale + 1 WHERE over = 0");
  }

  staleness(id: TaskId): number {
    const row = this.#db.get<{ stale: number }>("SELECT stale FROM jobs WHERE task_id = ?", id);
    return row?.stale ?? 0;
  }

  clearStale(id: TaskId, staleness: number): void {
    this.#db.run("UPDATE jobs SET stale = 0 WHERE task_id = ? AND stale = ?", id, staleness);
  }

  staleJobs(limit: number): readonly TaskId[] {
    const rows = this.#db.all<{ task_id: TaskId }>(
      "SELECT task_id FROM jobs WHERE stale > 0 ORDER BY block_number, task_id LIMIT ?",
      limit,
    );
    return rows.map((row) => row.task_id);
  }

  openEffect(id: TaskId, step: Step): void {
    this.#db.run(
      `INSERT INTO effects (task_id, step, failures, strikes, open) VALUES (?, ?, 0, 0, 1)
       ON CONFLICT (task_id, step) DO UPDATE SET failures = 0, strikes = 0, open = 1 WHERE open = 0`,
      id,
      step,
    );
  }

  endEffects(id: TaskId, except: Step | null): void {
    this.#db.run(
      "UPDATE effects SET open = 0 WHERE task_id = ? AND open = 1 AND step IS NOT ?",
      id,
      except,
    );
  }

  openEffects(): readonly Effect[] {
    return this.#db.all<Effect>(
      "SELECT task_id AS id, step, failures, strikes FROM effects WHERE open = 1",
    );
  }

  failEffect(id: TaskId, step: Step, strikes: number): void {
    this.#db.run(
      "UPDATE effects SET failures = failures + 1, strikes = ? WHERE task_id = ? AND step = ? AND open = 1",
      strikes,
      id,
      step,
    );
  }

  openTransaction(effect: string): StoredTransaction | null {
    const row = this.#db.get<TransactionRow>(
      "SELECT nonce, effect FROM transactions WHERE effect = ? AND status = 'signed'",
      effect,
    );
    return row && this.#withVersions(row);
  }

  openTransactions(): readonly StoredTransaction[] {
    return this.#db
      .all<TransactionRow>(
        "SELECT nonce, effect FROM transactions WHERE status = 'signed' ORDER BY nonce",
      )
      .map((row) => this.#withVersions(row));
  }

  minedTransaction(effect: string): StoredTransaction | null {
    const row = this.#db.get<TransactionRow>(
      "SELECT nonce, effect FROM transactions WHERE effect = ? AND status = 'mined' ORDER BY nonce DESC LIMIT 1",
      effect,
    );
    return row && this.#withVersions(row);
  }

  transactionsFrom(nonce: number) {
    return this.#db
      .all<TransactionRow & { status: "signed" | TransactionEnd["status"] }>(
        "SELECT nonce, effect, status FROM transactions WHERE nonce >= ? ORDER BY nonce",
        nonce,
      )
      .map((row) => ({ ...this.#withVersions(row), status: row.status }));
  }

  highestNonce(): number | null {
    const row = this.#db.get<{ nonce: number | null }>(
      "SELECT max(nonce) AS nonce FROM transactions",
    );
    return row?.nonce ?? null;
  }

  reopenTransaction(nonce: number): void {
    this.#db.run(
      "UPDATE transactions SET status = 'signed', block_number = NULL WHERE nonce = ?",
      nonce,
    );
  }

  putSigned(nonce: number, effect: string, { hash, raw }: SignedVersion): void {
    this.transaction(() => {
      this.#db.run(
        `INSERT INTO transactions (nonce, effect, status) VALUES (?, ?, 'signed')
         ON CONFLICT (nonce) DO UPDATE SET effect = excluded.effect, status = 'signed', block_number = NULL`,
        nonce,
        effect,
      );
      this.#db.run(
        "INSERT INTO signed_versions (hash, nonce, raw) VALUES (?, ?, ?)",
        hash,
        nonce,
        raw,
      );
    });
  }

  endTransaction(nonce: number, end: TransactionEnd): void {
    this.#db.run(
      "UPDATE transactions SET status = ?, block_number = ? WHERE nonce = ?",
      end.status,
      end.status === "lost" ? null : end.blockNumber,
      nonce,
    );
  }

  deliverableKey(id: TaskId): { archive: string; key: Uint8Array } | null {
    return this.#db.get<{ archive: string; key: Uint8Array }>(
      "SELECT archive, key FROM deliverable_keys WHERE task_id = ?",
      id,
    );
  }

  putDeliverableKey(id: TaskId, archive: string, key: Uint8Array): void {
    this.#db.run(
      "INSERT OR REPLACE INTO deliverable_keys (task_id, archive, key) VALUES (?, ?, ?)",
      id,
      archive,
      key,
    );
  }

  useNonce(user: string, nonce: string, deadline: number, now: number): boolean {
    return this.transaction(() => {
      this.#db.run("DELETE FROM request_nonces WHERE deadline < ?", now);
      return this.#db.run(
        "INSERT OR IGNORE INTO request_nonces (user, nonce, deadline) VALUES (?, ?, ?)",
        user,
        nonce,
        deadline,
      );
    });
  }

  #prepare(): void {
    this.#db.transaction(() => {
      const { user_version: version } = this.#db.get<{ user_version: number }>(
        "PRAGMA user_version",
      )!;
      if (version > SCHEMA_VERSION) throw otherVersionError(this.#directory, version);
      if (version === 0) this.#db.define(SCHEMA);
      for (const step of MIGRATIONS.slice(Math.max(0, version - 1))) this.#db.define(step);
      this.#db.define(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    });
  }

  #identity(name: string): string | null {
    const row = this.#db.get<{ value: string }>("SELECT value FROM identity WHERE name = ?", name);
    return row?.value ?? null;
  }

  #withVersions({ nonce, effect }: TransactionRow): StoredTransaction {
    const versions = this.#db.all<SignedVersion>(
      "SELECT hash, raw FROM signed_versions WHERE nonce = ? ORDER BY rowid",
      nonce,
    );
    return { nonce, effect, versions };
  }
}
