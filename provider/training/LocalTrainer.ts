import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import { formatTaskId, type TaskId } from "../../sdk/ids.ts";
import type { Clock } from "../clock.ts";
import { TaskRefusedError } from "../errors.ts";
import { TRAINER_LOG } from "../files/jobPaths.ts";
import type { Model } from "../models/Catalogue.ts";
import { findByArguments, isRunning, type ProcessIdentity } from "../processes/processTable.ts";
import { GRACE_MS, signalGroup, terminateProcess } from "../processes/terminateProcess.ts";
import { checkDevice } from "./checkDevice.ts";
import { countTokens } from "./countTokens.ts";
import { Devices, VISIBLE_DEVICES, visibleDevices } from "./Devices.ts";
import type { CountedFile, Trainer, TrainingEnd } from "./Trainer.ts";
import {
  type TrainerProgram,
  trainerArguments,
  trainerCommand,
  trainerEnvironment,
} from "./trainerCommand.ts";

export interface LocalTrainerOptions {
  readonly program: TrainerProgram;
  readonly clock: Clock;
  readonly log: Logger;
}

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
/** Milliseconds after a successful check of the GPUs until the next one. */
const CHECK_INTERVAL = 10 * 60_000;

/**
 * Runs `python -m anneal_trainer --job-dir DIR` in its own process group, in a sandbox. Each training run has its own
 * GPU if there are as many GPUs as slots.
 */
export class LocalTrainer implements Trainer {
  readonly grace = GRACE_MS;
  readonly #options: LocalTrainerOptions;
  readonly #devices: Devices;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #device = "CPU";

  constructor(options: LocalTrainerOptions) {
    this.#options = options;
    this.#devices = new Devices(visibleDevices(options.program.environment));
  }

  async train(id: TaskId, jobDirectory: string, signal: AbortSignal): Promise<TrainingEnd> {
    // Two trainers must never write to the same directory, whoever started the other one.
    await this.#stopGroups(findByArguments(trainerArguments(jobDirectory)));
    signal.throwIfAborted();
    const device = this.#devices.take();
    try {
      return await this.#run(id, this.#spawn(jobDirectory, device), signal);
    } finally {
      this.#devices.release(device);
    }
  }

  async #run(id: TaskId, child: ChildProcess, signal: AbortSignal): Promise<TrainingEnd> {
    const { log } = this.#options;
    const ended = endOf(child);
    log.info({ task: formatTaskId(id), pid: child.pid }, "training started");
    const stop = () => void this.#stopChild(child, ended, signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    try {
      return await ended;
    } finally {
      signal.removeEventListener("abort", stop);
      if (child.pid !== undefined) signalGroup(child.pid, "SIGKILL"); // processes that it left running
    }
  }

  countTokens(model: Model, dataset: CountedFile, signal: AbortSignal): Promise<number> {
    return countTokens(this.#options.program, model, dataset, signal);
  }

  async checkMachine(signal: AbortSignal): Promise<string> {
    const { program, clock } = this.#options;
    const isKnown = clock.now() - this.#checkedAt < CHECK_INTERVAL;
    if (isKnown || !this.#devices.hasAny) return this.#device;
    this.#device = await checkDevice(program, signal);
    this.#checkedAt = clock.now();
    return this.#device;
  }

  #spawn(jobDirectory: string, device: string | null): ChildProcess {
    const { program } = this.#options;
    const environment = trainerEnvironment(program);
    const [command, ...args] = trainerCommand(program, jobDirectory);
    const output = openSync(join(jobDirectory, TRAINER_LOG), APPEND, 0o600);
    try {
      return spawn(command!, args, {
        cwd: jobDirectory,
        detached: true, // its own process group: signals reach its children too
        env: device === null ? environment : { ...environment, [VISIBLE_DEVICES]: device },
        stdio: ["ignore", output, output],
      });
    } finally {
      closeSync(output);
    }
  }

  /** Sends SIGTERM first, on which the trainer saves its state; kills it immediately if the task was refused. */
  async #stopChild(child: ChildProcess, ended: Promise<unknown>, reason: unknown): Promise<void> {
    if (child.pid === undefined) return;
    if (reason instanceof TaskRefusedError) return signalGroup(child.pid, "SIGKILL");
    const exited = new AbortController();
    ended.finally(() => exited.abort()).catch(() => undefined);
    const { clock } = this.#options;
    await terminateProcess(child.pid, () => exited.signal.aborted, clock, exited.signal);
  }

  async #stopGroups(identities: readonly ProcessIdentity[]): Promise<void> {
    const end = (identity: ProcessIdentity) =>
      terminateProcess(identity.pid, () => !isRunning(identity), this.#options.clock);
    await Promise.all(identities.map(end));
  }
}

function endOf(child: ChildProcess): Promise<TrainingEnd> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) =>
      resolve(signal ? { kind: "killed", signal } : { kind: "exit", code: code! }),
    );
  });
}
