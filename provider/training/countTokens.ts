import { execFile } from "node:child_process";
import { stat, writeFile } from "node:fs/promises";
import { z } from "zod";
import { ProviderError, TaskRefusedError } from "../errors.ts";
import type { Model } from "../models/Catalogue.ts";
import { type CountedFile, EXIT } from "./Trainer.ts";
import { countCommand, type TrainerProgram, trainerEnvironment } from "./trainerCommand.ts";

/** Ratio of the wall-clock limit to the CPU limit: the machine may be busy. */
const TIMEOUT_FACTOR = 4;
/** Largest file of token ids: bytes per byte of the dataset, and beyond that. Training tokenizes what has more. */
const TOKEN_BYTES_PER_BYTE = 4;
const SMALL_TOKEN_BYTES = 16 * 2 ** 20;
/** Exit codes for signals from outside, which are not the dataset's fault. */
const STOPPED = [129, 130, 143];
/** Exit codes above this mean that a signal ended the command: 128 plus the signal's number. */
const SIGNALLED = 128;
/** Limits libraries to one thread, so that they reserve no memory for others. */
const ONE_THREAD = {
  OMP_NUM_THREADS: "1",
  OPENBLAS_NUM_THREADS: "1",
  TOKENIZERS_PARALLELISM: "false",
  MALLOC_ARENA_MAX: "2",
};

const Counts = z.object({ rows: z.number().int(), tokens: z.number().int() });

/**
 * Runs `python -m anneal_trainer.count` in a sandbox, since the file is untrusted. A file that needs more memory or
 * time than allowed, or crashes the process, is invalid data: it would do so every time.
 */
export async function countTokens(
  program: TrainerProgram,
  model: Model,
  dataset: CountedFile,
  signal: AbortSignal,
): Promise<number> {
  await writeFile(dataset.tokens, "", { mode: 0o600 });
  const { size } = await stat(dataset.file);
  const maxTokenBytes = TOKEN_BYTES_PER_BYTE * size + SMALL_TOKEN_BYTES;
  const [command, ...args] = countCommand(program, model, dataset, maxTokenBytes);
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

/** Whether the dataset ended the process: at a limit of memory or time, or by crashing a parser. */
function isDeath(code: unknown): boolean {
  if (code === "SIGKILL") return true; // bubblewrap, at the wall-clock limit
  return typeof code === "number" && code > SIGNALLED && !STOPPED.includes(code);
}

function countLimitError({ memoryBytes, seconds }: TrainerProgram["counting"]): TaskRefusedError {
  return new TaskRefusedError(
    "DatasetInvalid",
    `Counting the dataset takes more than the ${memoryBytes} bytes of memory or ${seconds} CPU seconds that this provider allows.`,
    "Check the dataset with check-data, split it, and order again; the fee was returned.",
  );
}
