import type { Logger } from "pino";
import type { Client } from "../../../sdk/client.ts";
import type { GasMoney } from "../../chain/GasMoney.ts";
import type { Submitter } from "../../chain/Submitter.ts";
import type { Clock } from "../../clock.ts";
import type { EncryptionKey } from "../../EncryptionKey.ts";
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
  /** Tasks of all users whose checkpoints are kept; the oldest go first. */
  readonly tasks: number;
}

/** What steps work with. */
export interface StepContext {
  readonly client: Client;
  readonly submitter: Submitter;
  readonly gasMoney: Pick<GasMoney, "requireReserve">;
  readonly store: Store;
  readonly trainer: Trainer;
  readonly python: Pick<PythonCheck, "requireWorking">;
  readonly catalogue: Catalogue;
  readonly encryptionKey: EncryptionKey;
  /** Address of this provider. */
  readonly provider: string;
  /** Where users reach the storage that datasets are read from; the daemon itself may have another way to it. */
  readonly publicStorageUrl: string;
  /** Holds one directory per job. */
  readonly jobsDirectory: string;
  readonly checkpoints: KeptCheckpoints;
  /** What goes online for trainings. */
  readonly online: OnlineProcess;
  /** Hosts of trackers that it may connect to. */
  readonly trackerHosts: readonly string[];
  /** Larger datasets are refused. */
  readonly maxDatasetBytes: number;
  /** Larger models are not fetched from a hub. */
  readonly maxModelBytes: number;
  /** Bytes of disk that a training may write in all. */
  readonly maxJobBytes: number;
  readonly machine: Pick<MachineHealth, "isBroken" | "isHealthy" | "noteTrained">;
  readonly times: TaskTimes;
  readonly fetchBudget: FetchBudget;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * One step of a job. Idempotent: after a crash it is taken again from the start and has the same outcome.
 * @returns what it found out, for the steps after it.
 * @throws TaskRefusedError when the task can never succeed; anything else is tried again.
 */
export type StepFunction = (
  context: StepContext,
  record: JobRecord,
  signal: AbortSignal,
  /** Times in a row that this step failed in a way that speaks against the task. */
  strikes: number,
) => Promise<Facts>;
