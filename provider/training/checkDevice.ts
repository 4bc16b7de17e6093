import { execFile } from "node:child_process";
import { ProviderError } from "../errors.ts";
import { deviceCommand, type TrainerProgram, trainerEnvironment } from "./trainerCommand.ts";

/** Milliseconds; on a busy machine torch takes its time to load. */
const TIMEOUT_MS = 5 * 60_000;

/**
 * Asks torch, where trainings run, which device it would use.
 * @throws ProviderError where there is a graphics card that it cannot use.
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
