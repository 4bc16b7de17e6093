import { execFile } from "node:child_process";
import { ProviderError } from "../errors.ts";
import { deviceCommand, type TrainerProgram, trainerEnvironment } from "./trainerCommand.ts";

/** Milliseconds: on a busy machine, importing torch takes a while. */
const TIMEOUT_MS = 5 * 60_000;

/**
 * Determines, in the same sandbox as training, which device torch would use.
 * @throws ProviderError if there is a GPU that it cannot use.
 */
export async function checkDevice(program: TrainerProgram, signal: AbortSignal): Promise<void> {
  const [command, ...args] = deviceCommand(program);
  const options = {
    env: trainerEnvironment(program),
    ...{ signal, timeout: TIMEOUT_MS, killSignal: "SIGKILL" as const },
  };
  const { failed, stderr } = await new Promise<{ failed: boolean; stderr: string }>((resolve) => {
    execFile(command!, args, options, (error, _, stderr) => resolve({ failed: !!error, stderr }));
  });
  signal.throwIfAborted();
  if (!failed) return;
  const [reason = "", hint = ""] = stderr.trim().split("\n").slice(-2);
  throw new ProviderError(reason, {
    retryable: true,
    hint: hint || "Check PYTHON and the trainer's requirements.",
  });
}
