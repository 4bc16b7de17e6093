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

/** Why training does not work, and what the operator can do. */
interface Problem {
  readonly message: string;
  readonly hint: string;
}

/** Milliseconds: on a busy machine, importing torch takes a while. */
const TIMEOUT_MS = 5 * 60_000;
/** Milliseconds between checks of an interpreter that does not work. */
const POLL_INTERVAL = 60_000;
const REASON = "python";
const HINT =
  "Run node scripts/setup.mjs, or set PYTHON to an interpreter with the trainer's packages.";

/**
 * Checks, before the daemon is ready and any task is accepted, that the interpreter runs, has the trainer's packages,
 * and that training runs can start: on the machine's GPUs, or in the cluster.
 */
export class PythonCheck {
  readonly #options: PythonCheckOptions;
  /** Why it does not work; null if it does. Pending until the first check. */
  #problem: Promise<Problem | null> = new Promise(() => undefined);
  #device: string | null = null;

  constructor(options: PythonCheckOptions) {
    this.#options = options;
    options.readiness.set({
      name: REASON,
      message: "It is not known yet whether training works on this machine.",
      hint: "Wait for the end of the check, which takes seconds.",
    });
  }

  /** What training runs on, such as "NVIDIA H200"; null if that is not known, or not yet. */
  get device(): string | null {
    return this.#device;
  }

  /**
   * Checks periodically until it works, or `signal` aborts. Open tasks continue meanwhile.
   * @returns whether it works.
   */
  async run(signal: AbortSignal): Promise<boolean> {
    const { program, readiness, clock, log } = this.#options;
    let reported: string | null = null;
    while (!signal.aborted) {
      const trial = this.#try(signal);
      if (reported === null) this.#problem = trial;
      const problem = await trial;
      if (signal.aborted) break;
      this.#problem = trial;
      if (problem === null) {
        readiness.clear(REASON);
        if (reported !== null) log.info("training works again");
        return true;
      }
      const { hint } = problem;
      const message = `Training does not work on this machine: ${problem.message}`;
      readiness.set({ name: REASON, message, hint });
      if (message !== reported)
        log.error(
          { python: program.python, problem: problem.message, hint },
          "no task is accepted: training does not work on this machine",
        );
      reported = message;
      await clock.sleep(POLL_INTERVAL, signal);
    }
    return false;
  }

  async #try(signal: AbortSignal): Promise<Problem | null> {
    const { program, trainer } = this.#options;
    const message = await importTrainer(program, signal);
    if (message !== null) return { message, hint: HINT };
    try {
      this.#device = await trainer.checkMachine(signal);
      return null;
    } catch (error) {
      const { message, hint = HINT } = error as Error & { readonly hint?: string };
      return { message, hint };
    }
  }

  /** Waits for the first check. @throws ProviderError while training does not work. */
  async requireWorking(): Promise<void> {
    const problem = await this.#problem;
    if (problem === null) return;
    throw new ProviderError("Training does not work on this machine.", {
      retryable: true,
      isReported: true,
      hint: problem.hint,
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
