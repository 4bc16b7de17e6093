import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { TaskId } from "../../sdk/ids.ts";
import type { TaskOrder } from "../../sdk/task/TaskOrder.ts";
import { ProviderError, StateUnusable } from "../errors.ts";
import { isOver, type Step } from "../jobs/machine.ts";
import type { TrainerProcesses } from "../training/LocalTrainer.ts";
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
import { SCHEMA, SCHEMA_VERSION } from "./schema.ts";

/** Whose state it is. A database is never used for another chain, contract or provider. */
export interface Identity {
  readonly chainId: number;
  /** Hash of block 0: a local network that was started anew is another chain. */
  readonly genesis: string;
  readonly serving: string;
  readonly provider: string;
}

/** Marks kept of scanned blocks, far more than any reorganization that a proof-of-stake chain allows. */
const BLOCK_MARKS = 512;

/**
 * The store in one SQLite file, `state.db`. The file is locked for as long as it is open, by the operating system:
 * a second daemon on the same directory is turned away, and a killed one leaves no stale lock.
 */
export class SqliteStore implements Store {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;
  /** The open jobs as they are in the database, oldest first; null when they have to be read. */
  #open: Map<TaskId, JobRecord> | null = null;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** @throws ProviderError when another daemon has the directory, or it is another identity's. */
  static open(directory: string, identity: Identity): SqliteStore {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const path = join(directory, "state.db");
    const db = new DatabaseSync(path);
    try {
      chmodSync(path, 0o600);
      db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;");
      db.exec("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
      const store = new SqliteStore(db);
      store.transaction(() => store.#prepare(directory, identity)); // takes the lock
      store.#check();
      return store;
    } catch (error) {
      db.close();
      throw isLocked(error) ? inUse(directory) : asUnusable(error);
    }
  }

  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    this.#db.exec("BEGIN IMMEDIATE");
    this.#depth = 1;
    try {
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      this.#open = null;
      this.#rollback();
      throw asUnusable(error);
    } finally {
      this.#depth = 0;
    }
  }

  #rollback(): void {
    try {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    } catch {
      // what made it necessary says more; the transaction ends with the connection
    }
  }

  close(): void {
    this.#db.close();
  }

  scannedBlocks(): readonly BlockMark[] {
    return this.#all<BlockMark>("SELECT number, hash FROM scanned_blocks ORDER BY number DESC");
  }

  putScannedBlock({ number, hash }: BlockMark): void {
    this.#run("INSERT OR REPLACE INTO scanned_blocks (number, hash) VALUES (?, ?)", number, hash);
    this.#run(
      `DELETE FROM scanned_blocks WHERE number <=
       (SELECT number FROM scanned_blocks ORDER BY number DESC LIMIT 1 OFFSET ?)`,
      BLOCK_MARKS,
    );
  }

  putEvent(event: EventMark): boolean {
    return this.#run(
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
      this.#get("SELECT 1 FROM events WHERE task_id = ? AND name = ? LIMIT 1", id, name) !== null
    );
  }

  rewindTo(number: number): readonly TaskId[] {
    return this.transaction(() => {
      const touched = this.#all<{ task_id: TaskId }>(
        "SELECT DISTINCT task_id FROM events WHERE block_number > ?",
        number,
      );
      this.#run("DELETE FROM events WHERE block_number > ?", number);
      this.#run("DELETE FROM scanned_blocks WHERE number > ?", number);
      // A transaction that is mined no longer is broadcast again, with the nonce it has.
      this.#run(
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
    const row = this.#get<JobRow>("SELECT * FROM jobs WHERE task_id = ?", id);
    return row && readJob(row);
  }

  openJobs(): readonly JobRecord[] {
    return [...this.#openJobs().values()];
  }

  #openJobs(): Map<TaskId, JobRecord> {
    this.#open ??= new Map(
      this.#all<JobRow>("SELECT * FROM jobs WHERE over = 0 ORDER BY block_number, task_id").map(
        (row) => [row.task_id, readJob(row)],
      ),
    );
    return this.#open;
  }

  putJob(record: JobRecord): void {
    const { id, user, fee, order, blockNumber, job, facts } = record;
    this.#run(
      `INSERT INTO jobs (task_id, user, fee, task_order, block_number, machine, facts, over, stale)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)
       ON CONFLICT (task_id) DO UPDATE SET fee = excluded.fee, task_order = excluded.task_order,
         block_number = excluded.block_number, machine = excluded.machine, facts = excluded.facts,
         over = excluded.over`,
      id,
      user,
      fee.toString(),
      JSON.stringify(order, (_, value) => (typeof value === "bigint" ? value.toString() : value)),
      blockNumber,
      JSON.stringify(job),
      JSON.stringify(facts),
      isOver(job) ? 1 : 0,
    );
    this.#remember(record);
  }

  #remember(record: JobRecord): void {
    const known = this.#open?.get(record.id);
    if (isOver(record.job)) this.#open?.delete(record.id);
    else if (known?.blockNumber === record.blockNumber) this.#open?.set(record.id, record);
    else this.#open = null; // its place in the order is for the database to find
  }

  markStale(id: TaskId): void {
    this.#run("UPDATE jobs SET stale = stale + 1 WHERE task_id = ?", id);
  }

  markOpenStale(): void {
    this.#run("UPDATE jobs SET stale = stale + 1 WHERE over = 0");
  }

  staleness(id: TaskId): number {
    const row = this.#get<{ stale: number }>("SELECT stale FROM jobs WHERE task_id = ?", id);
    return row?.stale ?? 0;
  }

  clearStale(id: TaskId, staleness: number): void {
    this.#run("UPDATE jobs SET stale = 0 WHERE task_id = ? AND stale = ?", id, staleness);
  }

  staleJobs(limit: number): readonly TaskId[] {
    const rows = this.#all<{ task_id: TaskId }>(
      "SELECT task_id FROM jobs WHERE stale > 0 ORDER BY block_number, task_id LIMIT ?",
      limit,
    );
    return rows.map((row) => row.task_id);
  }

  openEffect(id: TaskId, step: Step): void {
    this.#run(
      `INSERT INTO effects (task_id, step, failures, not_before, open) VALUES (?, ?, 0, 0, 1)
       ON CONFLICT (task_id, step) DO UPDATE SET failures = 0, not_before = 0, open = 1 WHERE open = 0`,
      id,
      step,
    );
  }

  endEffects(id: TaskId, except: Step | null): void {
    this.#run(
      "UPDATE effects SET open = 0 WHERE task_id = ? AND open = 1 AND step IS NOT ?",
      id,
      except,
    );
  }

  dueEffects(now: number, limit: number): readonly Effect[] {
    return this.#all<Effect>(
      "SELECT task_id AS id, step, failures FROM effects WHERE open = 1 AND not_before <= ? LIMIT ?",
      now,
      limit,
    );
  }

  delayEffect(id: TaskId, step: Step, until: number): void {
    this.#run(
      "UPDATE effects SET failures = failures + 1, not_before = ? WHERE task_id = ? AND step = ? AND open = 1",
      until,
      id,
      step,
    );
  }

  nextEffectAfter(now: number): number | null {
    const row = this.#get<{ at: number | null }>(
      "SELECT min(not_before) AS at FROM effects WHERE open = 1 AND not_before > ?",
      now,
    );
    return row?.at ?? null;
  }

  openTransaction(effect: string): StoredTransaction | null {
    const row = this.#get<TransactionRow>(
      "SELECT nonce, effect FROM transactions WHERE effect = ? AND status = 'signed'",
      effect,
    );
    return row && this.#withVersions(row);
  }

  openTransactions(): readonly StoredTransaction[] {
    return this.#all<TransactionRow>(
      "SELECT nonce, effect FROM transactions WHERE status = 'signed' ORDER BY nonce",
    ).map((row) => this.#withVersions(row));
  }

  minedTransaction(effect: string): StoredTransaction | null {
    const row = this.#get<TransactionRow>(
      "SELECT nonce, effect FROM transactions WHERE effect = ? AND status = 'mined' ORDER BY nonce DESC LIMIT 1",
      effect,
    );
    return row && this.#withVersions(row);
  }

  transactionsFrom(nonce: number) {
    return this.#all<TransactionRow & { status: "signed" | TransactionEnd["status"] }>(
      "SELECT nonce, effect, status FROM transactions WHERE nonce >= ? ORDER BY nonce",
      nonce,
    ).map((row) => ({ ...this.#withVersions(row), status: row.status }));
  }

  highestNonce(): number | null {
    const row = this.#get<{ nonce: number | null }>("SELECT max(nonce) AS nonce FROM transactions");
    return row?.nonce ?? null;
  }

  reopenTransaction(nonce: number): void {
    this.#run(
      "UPDATE transactions SET status = 'signed', block_number = NULL WHERE nonce = ?",
      nonce,
    );
  }

  putSigned(nonce: number, effect: string, { hash, raw }: SignedVersion): void {
    this.transaction(() => {
      this.#run(
        `INSERT INTO transactions (nonce, effect, status) VALUES (?, ?, 'signed')
         ON CONFLICT (nonce) DO UPDATE SET effect = excluded.effect, status = 'signed', block_number = NULL`,
        nonce,
        effect,
      );
      this.#run(
        "INSERT INTO signed_versions (hash, nonce, raw) VALUES (?, ?, ?)",
        hash,
        nonce,
        raw,
      );
    });
  }

  endTransaction(nonce: number, end: TransactionEnd): void {
    this.#run(
      "UPDATE transactions SET status = ?, block_number = ? WHERE nonce = ?",
      end.status,
      end.status === "lost" ? null : end.blockNumber,
      nonce,
    );
  }

  deliverableKey(id: TaskId): { archive: string; key: Uint8Array } | null {
    return this.#get<{ archive: string; key: Uint8Array }>(
      "SELECT archive, key FROM deliverable_keys WHERE task_id = ?",
      id,
    );
  }

  putDeliverableKey(id: TaskId, archive: string, key: Uint8Array): void {
    this.#run(
      "INSERT OR REPLACE INTO deliverable_keys (task_id, archive, key) VALUES (?, ?, ?)",
      id,
      archive,
      key,
    );
  }

  readonly trainers: TrainerProcesses = {
    put: (id, { pid, startTime }) => {
      this.#run(
        "INSERT OR REPLACE INTO trainers (task_id, pid, start_time) VALUES (?, ?, ?)",
        id,
        pid,
        startTime,
      );
    },
    remove: (id) => {
      this.#run("DELETE FROM trainers WHERE task_id = ?", id);
    },
    all: () =>
      this.#all<{ task_id: TaskId; pid: number; start_time: string }>("SELECT * FROM trainers").map(
        (row) => ({ id: row.task_id, process: { pid: row.pid, startTime: row.start_time } }),
      ),
  };

  useNonce(user: string, nonce: string, deadline: number, now: number): boolean {
    return this.transaction(() => {
      this.#run("DELETE FROM request_nonces WHERE deadline < ?", now);
      return this.#run(
        "INSERT OR IGNORE INTO request_nonces (user, nonce, deadline) VALUES (?, ?, ?)",
        user,
        nonce,
        deadline,
      );
    });
  }

  /** A page that was damaged meanwhile is found before anything is decided on what it says. */
  #check(): void {
    const row = this.#get<{ quick_check: string }>("PRAGMA quick_check(1)");
    if (row?.quick_check !== "ok") throw damaged(new Error(row?.quick_check));
  }

  #prepare(directory: string, identity: Identity): void {
    const { user_version: version } = this.#get<{ user_version: number }>("PRAGMA user_version")!;
    if (version === 0) this.#db.exec(`${SCHEMA}; PRAGMA user_version = ${SCHEMA_VERSION};`);
    else if (version !== SCHEMA_VERSION) throw otherVersion(directory, version);
    for (const [name, value] of Object.entries(identity)) {
      this.#run("INSERT OR IGNORE INTO identity (name, value) VALUES (?, ?)", name, String(value));
      const row = this.#get<{ value: string }>("SELECT value FROM identity WHERE name = ?", name);
      if (row?.value !== String(value)) throw otherIdentity(directory, name);
    }
  }

  #withVersions({ nonce, effect }: TransactionRow): StoredTransaction {
    const versions = this.#all<SignedVersion>(
      "SELECT hash, raw FROM signed_versions WHERE nonce = ? ORDER BY rowid",
      nonce,
    );
    return { nonce, effect, versions };
  }

  #statement(sql: string): StatementSync {
    const prepared = this.#statements.get(sql) ?? this.#db.prepare(sql);
    this.#statements.set(sql, prepared);
    return prepared;
  }

  /** Whether a row changed. */
  #run(sql: string, ...values: SQLInputValue[]): boolean {
    return guarded(() => Number(this.#statement(sql).run(...values).changes) > 0);
  }

  #get<T = unknown>(sql: string, ...values: SQLInputValue[]): T | null {
    return guarded(() => (this.#statement(sql).get(...values) as T | undefined) ?? null);
  }

  #all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return guarded(() => this.#statement(sql).all(...values) as T[]);
  }
}

interface TransactionRow {
  readonly nonce: number;
  readonly effect: string;
}

interface JobRow {
  readonly task_id: TaskId;
  readonly user: string;
  readonly fee: string;
  readonly task_order: string;
  readonly block_number: number;
  readonly machine: string;
  readonly facts: string;
}

function readJob(row: JobRow): JobRecord {
  return {
    id: row.task_id,
    user: row.user,
    fee: BigInt(row.fee),
    order: readOrder(row.task_order),
    blockNumber: row.block_number,
    job: JSON.parse(row.machine),
    facts: JSON.parse(row.facts),
  };
}

function readOrder(json: string): TaskOrder {
  const { nonce, units, maxFee, ...rest } = JSON.parse(json);
  return { ...rest, nonce: BigInt(nonce), units: BigInt(units), maxFee: BigInt(maxFee) };
}

function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw asUnusable(error);
  }
}

/** SQLite's result codes (sqlite3.h) that mean that the file, and not the statement, is at fault. */
const SQLITE = {
  ioError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notADatabase: 26,
  readOnly: 8,
};

function asUnusable(error: unknown): unknown {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  if (typeof code !== "number" || error instanceof StateUnusable) return error;
  switch (code & 0xff) {
    case SQLITE.full:
      return new StateUnusable(
        "The disk that holds the state database is full.",
        "Free some space and start the daemon again; nothing was lost.",
        error,
      );
    case SQLITE.ioError:
    case SQLITE.cannotOpen:
    case SQLITE.readOnly:
      return new StateUnusable(
        "The state database cannot be written.",
        "Check the disk and the rights of PROVIDER_DIR, then start the daemon again.",
        error,
      );
    case SQLITE.corrupt:
    case SQLITE.notADatabase:
      return damaged(error);
    default:
      return error;
  }
}

function damaged(cause: unknown): StateUnusable {
  return new StateUnusable(
    "The state database is damaged.",
    "Restore state.db from the newest backup and start again: what is newer is read from the chain.",
    cause,
  );
}

function isLocked(error: unknown): boolean {
  return error instanceof Error && /database is locked/.test(error.message);
}

function inUse(directory: string): ProviderError {
  return new ProviderError(`Another provider daemon is using ${directory}.`, {
    retryable: false,
    hint: "Stop it first, or give this one its own PROVIDER_DIR.",
  });
}

function otherVersion(directory: string, version: number): ProviderError {
  return new ProviderError(
    `${directory} was written by another version of the daemon (${version}).`,
    {
      retryable: false,
      hint: "Use that version, or another PROVIDER_DIR.",
    },
  );
}

function otherIdentity(directory: string, what: string): ProviderError {
  return new ProviderError(`The state in ${directory} belongs to another ${what}.`, {
    retryable: false,
    hint: "Give this daemon its own PROVIDER_DIR; for a local network that was started anew, delete the old one.",
  });
}
