import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { asStateUnusableError, damagedError } from "./failures.ts";

/**
 * One SQLite file, locked for as long as it is open, by the operating system: a second process is turned away, and a
 * killed one leaves no stale lock. What is committed survives a loss of power.
 */
export class Database {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;

  /** @throws SQLite's own error when another process has the file; the lock is taken by the first transaction. */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#db = new DatabaseSync(path);
    try {
      chmodSync(path, 0o600);
      this.#db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;");
      this.#db.exec("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** Runs `work` and commits what it wrote, or undoes it all; within another transaction it is a part of that one. */
  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    this.#db.exec("BEGIN IMMEDIATE");
    this.#depth = 1;
    try {
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      this.#rollback();
      throw asStateUnusableError(error);
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

  /** Statements without values and without an answer. */
  define(sql: string): void {
    this.#db.exec(sql);
  }

  /** Whether a row changed. */
  run(sql: string, ...values: SQLInputValue[]): boolean {
    return guarded(() => Number(this.#statement(sql).run(...values).changes) > 0);
  }

  get<T = unknown>(sql: string, ...values: SQLInputValue[]): T | null {
    return guarded(() => (this.#statement(sql).get(...values) as T | undefined) ?? null);
  }

  all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return guarded(() => this.#statement(sql).all(...values) as T[]);
  }

  /** A page that was damaged meanwhile is found before anything is decided on what it says. */
  check(): void {
    const row = this.get<{ quick_check: string }>("PRAGMA quick_check(1)");
    if (row?.quick_check !== "ok") throw damagedError(new Error(row?.quick_check));
  }

  #statement(sql: string): StatementSync {
    const prepared = this.#statements.get(sql) ?? this.#db.prepare(sql);
    this.#statements.set(sql, prepared);
    return prepared;
  }
}

function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw asStateUnusableError(error);
  }
}
