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

/** Milliseconds: on a busy machine, importing torch takes a while. */
const TIMEOUT_MS = 5 * 60_000;
/** Milliseconds between checks of an interpreter that does not work. */
const POLL_INTERVAL = 60_000;
const REASON = "python";
const HINT =
  "Run node scripts/setup.mjs, or set PYTHON to an interpreter with the trainer's packages; check nvidia-smi.";

/**
 * Checks, before any task is accepted, that the interpreter runs, has the trainer's packages, and can use the machine's
 * GPUs.
 */
export class PythonCheck {
  readonly #options: PythonCheckOptions;
  /** Why it does not work; null if it does. Pending until the first check. */
  #problem: Promise<string | null> = new Promise(() => undefined);

  constructor(options: PythonCheckOptions) {
    this.#options = options;
  }

  /** Checks periodically until it works, or `signal` aborts. Open tasks continue meanwhile. */
  async run(signal: AbortSignal): Promise<void> {
    const { program, readiness, clock, log } = this.#options;
    while (!signal.aborted) {
      const trial = this.#try(signal);
      if (!readiness.reasons().some(({ name }) => name === REASON)) this.#problem = trial;
      const problem = await trial;
      if (signal.aborted) return;
      this.#problem = trial;
      if (problem === null) {
        if (readiness.clear(REASON)) log.info("training works again");
        return;
      }
      const message = `Training does not work on this machine: ${problem}`;
      if (readiness.set({ name: REASON, message, hint: HINT }))
        log.error(
          { python: program.python, problem, hint: HINT },
          "no task is accepted: training does not work on this machine",
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

  /** Waits for the first check. @throws ProviderError while the interpreter does not work. */
  async requireWorking(): Promise<void> {
    if ((await this.#problem) === null) return;
    throw new ProviderError("Training does not work on this machine.", {
      retryable: true,
      isReported: true,
      hint: HINT,
    });
  }
}

/** Imports the trainer and the counter in the same way as jobs run. @returns the problem; null if there is none. */
function importTrainer(program: TrainerProgram, signal: AbortSignal): Promise<string | null> {
  const [command, ...args] = importCommand(program);
  const env = trainerEnvironment(program);
  const options = { env, signal, timeout: TIMEOUT_MS, killSignal: "SIGKILL" } as const;
  return new Promise((resolve) => {
    execFile(command!, args, options, (error, _stdout, stderr) => {
      const lastLine = stderr.trim().split("\n").at(-1);
      resolve(error ? lastLine || error.message : null);
    });
  });
}
