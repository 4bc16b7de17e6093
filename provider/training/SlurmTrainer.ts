import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Logger } from "pino";
import { formatTaskId, type TaskId } from "../../sdk/ids.ts";
import { writeAtomically } from "../../sdk/storage/files/publishFile.ts";
import type { Clock } from "../clock.ts";
import { ProviderError, TaskRefusedError } from "../errors.ts";
import { TRAINER_LOG } from "../files/jobPaths.ts";
import type { Model } from "../models/Catalogue.ts";
import { CHILD_MARK } from "../processes/orphans.ts";
import { countTokens } from "./countTokens.ts";
import { VISIBLE_DEVICES } from "./Devices.ts";
import { type CountedFile, EXIT, type Trainer, type TrainingEnd } from "./Trainer.ts";
import { type TrainerProgram, trainerCommand, trainerEnvironment } from "./trainerCommand.ts";

export interface SlurmTrainerOptions {
  readonly program: TrainerProgram;
  /** Further options of sbatch, such as `--partition=gpu` or `--gres=gpu:1`. */
  readonly submitOptions: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

interface SlurmJob {
  /** As named by `scontrol`: RUNNING, COMPLETED, … */
  readonly state: string;
  readonly exitCode: number;
  /** Number of the signal that ended the program; 0 if none did. */
  readonly signal: number;
}

const POLL_INTERVAL = 1_000;
/** Milliseconds that a trainer has to finish its step and save before its job is cancelled. */
const GRACE_MS = 60_000;
const UNFINISHED = ["PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED"];

const run = promisify(execFile);

/**
 * Submits training runs to a Slurm cluster that shares the job directories with this machine. A Slurm job outlives the
 * daemon: after a restart, the daemon finds it by its name and follows it.
 */
export class SlurmTrainer implements Trainer {
  readonly grace = GRACE_MS;
  readonly #options: SlurmTrainerOptions;

  constructor(options: SlurmTrainerOptions) {
    this.#options = options;
  }

  async train(id: TaskId, jobDirectory: string, signal: AbortSignal): Promise<TrainingEnd> {
    const { log } = this.#options;
    const name = `anneal-${formatTaskId(id)}`;
    const job = (await findUnfinished(name)) ?? (await this.#submit(name, jobDirectory));
    log.info({ task: formatTaskId(id), slurmJob: job }, "training submitted to Slurm");
    const state = await this.#follow(job, signal);
    if (state !== null) return endOf(state);
    return this.#stop(job, signal.reason);
  }

  countTokens(model: Model, dataset: CountedFile, signal: AbortSignal): Promise<number> {
    const { program } = this.#options;
    return countTokens(program, model, dataset, signal);
  }

  /** Lets Slurm check its commands, its controller, and a job with the submit options, which it does not start. */
  async checkMachine(signal: AbortSignal): Promise<null> {
    for (const command of ["squeue", "scancel"]) await slurm(command, ["--version"], signal);
    await slurm("scontrol", ["ping"], signal);
    const options = [...this.#options.submitOptions, "--test-only", "--wrap=true"];
    await slurm("sbatch", options, signal);
    return null;
  }

  async #submit(name: string, jobDirectory: string): Promise<string> {
    const script = join(jobDirectory, "slurm.py");
    const text = batchScript(this.#options.program, jobDirectory);
    await writeAtomically(script, (temporary) => writeFile(temporary, text));
    const output = join(jobDirectory, TRAINER_LOG);
    const job = await slurm("sbatch", [
      ...["--parsable", `--job-name=${name}`, `--chdir=${jobDirectory}`, "--export=NONE"],
      ...[`--output=${output}`, "--open-mode=append", "--no-requeue"],
      ...this.#options.submitOptions,
      script,
    ]);
    return job.trim().split(";")[0]!;
  }

  /** Waits for the end of a job. @returns its final state; null if `signal` aborts first. */
  async #follow(job: string, signal: AbortSignal): Promise<SlurmJob | null> {
    while (!signal.aborted) {
      const state = await inspect(job);
      if (!UNFINISHED.includes(state.state)) return state;
      await this.#options.clock.sleep(POLL_INTERVAL, signal);
    }
    return null;
  }

  /** Sends SIGTERM first, on which the trainer saves its state; SIGKILL if the task was refused. */
  async #stop(job: string, reason: unknown): Promise<TrainingEnd> {
    const sent = reason instanceof TaskRefusedError ? "KILL" : "TERM";
    const { clock } = this.#options;
    const deadline = clock.now() + GRACE_MS;
    const never = new AbortController().signal;
    let state = await inspect(job);
    if (state.state === "RUNNING") await slurm("scancel", [`--signal=${sent}`, "--full", job]);
    else await slurm("scancel", [job]);
    while (UNFINISHED.includes(state.state) && clock.now() < deadline) {
      await clock.sleep(POLL_INTERVAL, never);
      state = await inspect(job);
    }
    if (UNFINISHED.includes(state.state)) await slurm("scancel", [job]);
    return endOf(state);
  }
}

/**
 * The batch script is Python, so that no shell interprets paths or variables; JSON strings are valid Python. The
 * cluster decides which GPU a job may use.
 */
function batchScript(program: TrainerProgram, jobDirectory: string): string {
  const command = trainerCommand(program, jobDirectory);
  // Without the mark of the daemon's child processes: a Slurm job outlives the daemon.
  const environment: Record<string, string> = { ...trainerEnvironment(program) };
  delete environment[CHILD_MARK];
  return [
    `#!${program.python.includes("/") ? "" : "/usr/bin/env "}${program.python}`,
    "import os",
    `environment = ${JSON.stringify(environment)}`,
    `if "${VISIBLE_DEVICES}" in os.environ:`,
    `    environment["${VISIBLE_DEVICES}"] = os.environ["${VISIBLE_DEVICES}"]`,
    `os.execvpe(${JSON.stringify(command[0])}, ${JSON.stringify(command)}, environment)`,
    "",
  ].join("\n");
}

async function findUnfinished(name: string): Promise<string | null> {
  const states = UNFINISHED.join(",");
  const found = await slurm("squeue", [
    "--noheader",
    `--name=${name}`,
    `--states=${states}`,
    "--format=%i",
  ]);
  return found.trim().split("\n")[0] || null;
}

async function inspect(job: string): Promise<SlurmJob> {
  const text = await slurm("scontrol", ["show", "job", "--oneliner", job]);
  const field = (name: string) => new RegExp(`\\b${name}=(\\S+)`).exec(text)?.[1] ?? "";
  const [exitCode, signal] = field("ExitCode").split(":").map(Number);
  return { state: field("JobState"), exitCode: exitCode ?? 0, signal: signal ?? 0 };
}

/** The cluster needed the node for another job, or lost it. The training continues on another one. */
const TAKEN_AWAY = ["TIMEOUT", "PREEMPTED", "NODE_FAIL", "BOOT_FAIL"];

/** Converts the final state of a Slurm job into a trainer's end. */
export function endOf({ state, exitCode, signal }: SlurmJob): TrainingEnd {
  if (state === "OUT_OF_MEMORY") return { kind: "exit", code: EXIT.outOfMemory };
  if (TAKEN_AWAY.includes(state)) return { kind: "exit", code: EXIT.stopped };
  const ended = state === "COMPLETED" || state === "FAILED";
  if (ended && signal === 0) return { kind: "exit", code: exitCode };
  return { kind: "killed", signal: ended ? `signal ${signal}` : state };
}

async function slurm(
  command: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<string> {
  try {
    return (await run(command, args, { signal })).stdout;
  } catch (error) {
    signal?.throwIfAborted();
    const { stderr = "", message, code } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === "ENOENT") {
      throw new ProviderError(`Slurm's ${command} is not installed, or not on PATH.`, {
        retryable: true,
        hint: "Install Slurm's commands (Debian: apt-get install slurm-client), or set TRAINER=local.",
      });
    }
    throw new ProviderError(`Slurm's ${command} failed: ${stderr.trim() || message}`, {
      retryable: true,
      hint: "Check sinfo and the cluster's own logs.",
    });
  }
}
