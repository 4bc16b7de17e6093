import type { TaskId } from "../../sdk/ids.ts";
import type { TaskOrder } from "../../sdk/task/TaskOrder.ts";
import type { JobRecord } from "./Store.ts";

/** Rows in SQLite: money as decimal text, nested values as JSON. */

export interface TransactionRow {
  readonly nonce: number;
  readonly effect: string;
}

export interface JobRow {
  readonly task_id: TaskId;
  readonly user: string;
  readonly fee: string;
  readonly task_order: string;
  readonly block_number: number;
  readonly machine: string;
  readonly facts: string;
}

export function readJob(row: JobRow): JobRecord {
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
