import type { TaskId } from "../../sdk/ids.ts";
import type { RecordedOrder } from "../../sdk/task/TaskOrder.ts";
import { canonicalConfig, parseCanonicalConfig } from "../../sdk/training/parseHyperparameters.ts";
import type { JobRecord } from "./Store.ts";

/** Rows in SQLite: money as decimal text, nested values as JSON. */

/** The text of a config that is not valid. */
const NO_CONFIG = "";

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

/** The order as JSON: the model's hash under the name `model`, the config as the text that is on chain. */
export function writeOrder({ modelHash, config, ...order }: RecordedOrder): string {
  const text = config === null ? NO_CONFIG : new TextDecoder().decode(canonicalConfig(config));
  return JSON.stringify({ ...order, model: modelHash, config: text }, (_, value) =>
    typeof value === "bigint" ? value.toString() : value,
  );
}

function readOrder(json: string): RecordedOrder {
  const { nonce, units, maxFee, model, config, ...rest } = JSON.parse(json);
  return {
    ...rest,
    modelHash: model,
    nonce: BigInt(nonce),
    units: BigInt(units),
    maxFee: BigInt(maxFee),
    config: parseCanonicalConfig(new TextEncoder().encode(config)),
  };
}
