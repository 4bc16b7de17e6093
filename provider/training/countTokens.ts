import { execFile } from "node:child_process";
import { z } from "zod";
import { ProviderError, TaskRefusedError } from "../errors.ts";
import type { Model } from "../models/Catalogue.ts";
import { type CountedFile, EXIT } from "./Trainer.ts";
import { countCommand, type TrainerProgram, trainerEnvironment } from "./trainerCommand.ts";

/** Times the seconds of work that counting may take: the machine may have other work. */
const TIMEOUT_FACTOR = 4;
/** Of signals that end a process from outside, and say nothing of the dataset. */
const STOPPED = [129, 130, 143];
/** A shell's way to say that a signal ended its command: 128 and the signal's number. */
const SIGNALLED = 128;
/** One thread, and no memory that is only reserved for others. */
const ONE_THREAD = {
  OMP_NUM_THREADS: "1",
  OPENBLAS_NUM_THREADS: "1",
  TOKENIZERS_PARALLELISM: "false",
  MALLOC_ARENA_MAX: "2",
};

const Counts = z.object({ rows: z.number().int(), tokens: z.number().int() });

/**
 * Runs `python -m anneal_trainer.count`, in a sandbox as trainings are: the file is somebody else's. A file that takes more
 * memory or time than counting is given, or that ends the process, is bad data: it would do so each time.
 */
export async function countTokens(
  program: TrainerProgram,
  model: Model,
  dataset: CountedFile,
  signal: AbortSignal,
): Promise<number> {
  const [command, ...args] = countCommand(program, model, dataset);
  const env = { ...trainerEnvironment(program), ...ONE_THREAD };
  const timeout = program.counting.seconds * 1_000 * TIMEOUT_FACTOR;
  const { code, stdout, stderr } = await new Promise<{
    code: unknown;
    stdout: string;
    stderr: string;
  }>((resolve) => {
    const options = { env, signal, timeout, killSignal: "SIGKILL" } as const;
    execFile(command!, args, options, (error, stdout, stderr) =>
      resolve({ code: error ? (error.code ?? error.signal) : EXIT.done, stdout, stderr }),
    );
  });
  signal.throwIfAborted();
  if (code === EXIT.done) return Counts.parse(JSON.parse(stdout)).tokens;
  const [message = "", hint = ""] = stderr.trim().split("\n");
  if (code === EXIT.badData) throw new TaskRefusedError("DatasetInvalid", message, hint);
  if (code === EXIT.badConfig) throw new TaskRefusedError("ConfigInvalid", message, hint);
  if (code === EXIT.outOfMemory || isDeath(code)) throw countLimitError(program.counting);
  throw new ProviderError(
    `The dataset could not be counted (${code}): ${stderr.trim().slice(-500)}`,
    {
      retryable: true,
      hint: "Check PYTHON and the trainer's requirements.",
    },
  );
}

/** Whether the process was ended by what it did: a limit of its memory or time, or a parser that broke. */
function isDeath(code: unknown): boolean {
  if (code === "SIGKILL") return true; // bubblewrap around it, for the time
  return typeof code === "number" && code > SIGNALLED && !STOPPED.includes(code);
}

function countLimitError({ memoryBytes, seconds }: TrainerProgram["counting"]): TaskRefusedError {
  return new TaskRefusedError(
    "DatasetInvalid",
    `Counting the dataset takes more than the ${memoryBytes} bytes of memory and ${seconds} seconds that this provider gives it.`,
    "Check the dataset with check-data, split it, and order again; the fee has gone back.",
  );
}
