import { execFile } from "node:child_process";
import { z } from "zod";
import { ProviderError, TaskRefused } from "../errors.ts";
import type { Model } from "../models/Catalogue.ts";
import { EXIT } from "./Trainer.ts";
import { countCommand, type TrainerProgram, trainerEnvironment } from "./trainerCommand.ts";

/** Milliseconds; a gigabyte of text takes minutes. */
const TIMEOUT = 30 * 60_000;

const Counts = z.object({ rows: z.number().int(), tokens: z.number().int() });

/** Runs `python -m finetune.count`, in a sandbox as trainings are: the file is somebody else's. */
export async function countTokens(
  program: TrainerProgram,
  model: Model,
  file: string,
  signal: AbortSignal,
): Promise<number> {
  const [command, ...args] = countCommand(program, model, file);
  const env = trainerEnvironment(program);
  const { code, stdout, stderr } = await new Promise<{
    code: unknown;
    stdout: string;
    stderr: string;
  }>((resolve) => {
    const options = { env, signal, timeout: TIMEOUT, killSignal: "SIGKILL" } as const;
    execFile(command!, args, options, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? (error ? "killed" : EXIT.done), stdout, stderr }),
    );
  });
  signal.throwIfAborted();
  if (code === EXIT.done) return Counts.parse(JSON.parse(stdout)).tokens;
  const [message = "", hint = ""] = stderr.trim().split("\n");
  if (code === EXIT.badData) throw new TaskRefused("DatasetInvalid", message, hint);
  if (code === EXIT.badConfig) throw new TaskRefused("ConfigInvalid", message, hint);
  throw new ProviderError(
    `The dataset could not be counted (${code}): ${stderr.trim().slice(-500)}`,
    {
      retryable: true,
      hint: "Check PYTHON and the trainer's requirements.",
    },
  );
}
