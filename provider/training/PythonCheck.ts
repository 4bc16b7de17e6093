import { execFile } from "node:child_process";
import type { Logger } from "pino";
import type { Clock } from "../clock.ts";
import { ProviderError } from "../errors.ts";
import type { Readiness } from "../Readiness.ts";
import type { Trainer } from "./Trainer.ts";
import { importCommand, type TrainerProgram, trainerEnvironment } from "./trainerCommand.ts";

export interface PythonCheckOptions {
  readonly program: TrainerProgram;
  readonly trainer: Pick<Trainer, "checkMachine">;
  readonly readiness: Readiness;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Milliseconds; on a busy machine torch takes its time to load. */
const TIMEOUT_MS = 5 * 60_000;
/** Milliseconds between two looks at an interpreter that does not work. */
const POLL_INTERVAL = 60_000;
const REASON = "python";
const HINT =
  "Run node scripts/setup.mjs, or set PYTHON to an interpreter that has the trainer's packages; see nvidia-smi.";

/**
 * Whether the interpreter runs, has what the trainer imports, and can use the graphics cards that there are: found out
 * before anything is accepted.
 */
export class PythonCheck {
  readonly #options: PythonCheckOptions;
  /** Why it does not work, null where it does; pending until it was tried. */
  #problem: Promise<string | null> = new Promise(() => undefined);

  constructor(options: PythonCheckOptions) {
    this.#options = options;
  }

  /** Tries again and again until it works, or `signal` aborts. Open tasks go on meanwhile. */
  async run(signal: AbortSignal): Promise<void> {
    const { program, readiness, clock, log } = this.#options;
    while (!signal.aborted) {
      const trial = this.#try(signal);
      if (!readiness.reasons().some(({ name }) => name === REASON)) this.#problem = trial;
      const problem = await trial;
      if (signal.aborted) return;
      this.#problem = trial;
      if (problem === null) {
        if (readiness.clear(REASON)) log.info("trainings can run again");
        return;
      }
      const message = `Trainings cannot run on this machine: ${problem}`;
      if (readiness.set({ name: REASON, message, hint: HINT }))
        log.error(
          { python: program.python, problem, hint: HINT },
          "no task is accepted: trainings cannot run on this machine",
        );
      await clock.sleep(POLL_INTERVAL, signal);
    }
  }

  async #try(signal: AbortSignal): Promise<string | null> {
    const { program, trainer } = this.#options;
    const problem = await importTrainer(program, signal);
    if (problem !== null) return problem;
    try {
      await trainer.checkMachine?.(signal);
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** Waits for the first trial. @throws ProviderError while the interpreter does not work. */
  async requireWorking(): Promise<void> {
    if ((await this.#problem) === null) return;
    throw new ProviderError("Trainings cannot run on this machine.", {
      retryable: true,
      isReported: true,
      hint: HINT,
    });
  }
}

/** Imports what trains and what counts, where trainings run. @returns what went wrong, null where nothing did. */
function importTrainer(program: TrainerProgram, signal: AbortSignal): Promise<string | null> {
  const [command, ...args] = importCommand(program);
  const env = trainerEnvironment(program);
  const options = { env, signal, timeout: TIMEOUT_MS, killSignal: "SIGKILL" } as const;
  return new Promise((resolve) => {
    execFile(command!, args, options, (error, _stdout, stderr) => {
      const said = stderr.trim().split("\n").at(-1);
      resolve(error ? said || error.message : null);
    });
  });
}
