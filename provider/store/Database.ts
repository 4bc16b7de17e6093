import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { asStateUnusableError, damagedError } from "./failures.ts";

/**
 * One SQLite file, locked by the operating system while it is open: a second process is refused, and a killed one
 * leaves no stale lock. Commits survive a power loss.
 */
export class Database {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;

  /** @throws SQLite's own error if another process has locked the file. The first transaction acquires the lock. */
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

  /** Runs `work` in a transaction, or as a part of the current one. Rolls back if it throws. */
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
      // the original error is more useful; the transaction ends with the connection
    }
  }

  close(): void {
    this.#db.close();
  }

  /** Executes statements without parameters and results. */
  define(sql: string): void {
    this.#db.exec(sql);
  }

  /** Executes a statement. @returns whether a row changed. */
  run(sql: string, ...values: SQLInputValue[]): boolean {
    return guarded(() => Number(this.#statement(sql).run(...values).changes) > 0);
  }

  get<T = unknown>(sql: string, ...values: SQLInputValue[]): T | null {
    return guarded(() => (this.#statement(sql).get(...values) as T | undefined) ?? null);
  }

  all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return guarded(() => this.#statement(sql).all(...values) as T[]);
  }

  /** Checks for damaged pages before the state is used. @throws StateUnusableError */
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
