import type { Logger } from "pino";
import type { Client } from "../../../sdk/client.ts";
import type { GasMoney } from "../../chain/GasMoney.ts";
import type { Registration } from "../../chain/Registration.ts";
import type { Submitter } from "../../chain/Submitter.ts";
import type { Clock } from "../../clock.ts";
import type { EncryptionKeys } from "../../EncryptionKeys.ts";
import type { Catalogue } from "../../models/Catalogue.ts";
import type { OnlineProcess } from "../../online/runOnline.ts";
import type { Facts, JobRecord, Store } from "../../store/Store.ts";
import type { MachineHealth } from "../../training/MachineHealth.ts";
import type { PythonCheck } from "../../training/PythonCheck.ts";
import type { Trainer } from "../../training/Trainer.ts";
import type { FetchBudget } from "./FetchBudget.ts";
import type { TaskTimes } from "./TaskTimes.ts";

/** Where checkpoints of settled tasks are kept for `from_checkpoint`, and for how long. */
interface KeptCheckpoints {
  readonly directory: string;
  readonly days: number;
  /** Most tasks, of all users, whose checkpoints are kept; the oldest are removed first. */
  readonly tasks: number;
}

/** The dependencies of steps. */
export interface StepContext {
  readonly client: Client;
  readonly submitter: Submitter;
  readonly gasMoney: Pick<GasMoney, "requireReserve">;
  readonly registration: Pick<Registration, "isOperator" | "requireOperator">;
  readonly store: Store;
  readonly trainer: Trainer;
  readonly python: Pick<PythonCheck, "requireWorking">;
  readonly catalogue: Catalogue;
  readonly encryptionKeys: EncryptionKeys;
  /** Address of this provider; the client signs as its operator. */
  readonly provider: string;
  /** Public URL of the storage that datasets are read from; the daemon itself may use another one. */
  readonly publicStorageUrl: string;
  /** Holds one directory per job. */
  readonly jobsDirectory: string;
  readonly checkpoints: KeptCheckpoints;
  /** The process that goes online on behalf of training runs. */
  readonly online: OnlineProcess;
  /** Tracker hosts that it may connect to. */
  readonly trackerHosts: readonly string[];
  /** Larger datasets are refused. */
  readonly maxDatasetBytes: number;
  /** Larger models are not fetched from a hub. */
  readonly maxModelBytes: number;
  /** Most bytes of disk that a training run may use in total. */
  readonly maxJobBytes: number;
  readonly machine: Pick<MachineHealth, "isBroken" | "isHealthy" | "noteTrained">;
  readonly times: TaskTimes;
  readonly fetchBudget: FetchBudget;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * One step of a job. Idempotent: after a crash it runs again from the start, with the same outcome.
 * @returns facts for later steps.
 * @throws TaskRefusedError if the task can never succeed; any other error is retried.
 */
export type StepFunction = (
  context: StepContext,
  record: JobRecord,
  signal: AbortSignal,
  /** Consecutive failures of this step that count against the task. */
  strikes: number,
) => Promise<Facts>;
