import { execFile } from "node:child_process";
import { z } from "zod";
import { ProviderError } from "../errors.ts";
import { deviceCommand, type TrainerProgram, trainerEnvironment } from "./trainerCommand.ts";

/** Milliseconds: on a busy machine, importing torch takes a while. */
const TIMEOUT_MS = 5 * 60_000;

const Printed = z.object({ device: z.string() });

/**
 * Determines, in the same sandbox as training, which device torch would use.
 * @returns its name.
 * @throws ProviderError if there is a GPU that it cannot use.
 */
export async function checkDevice(program: TrainerProgram, signal: AbortSignal): Promise<string> {
  const [command, ...args] = deviceCommand(program);
  const options = {
    env: trainerEnvironment(program),
    ...{ signal, timeout: TIMEOUT_MS, killSignal: "SIGKILL" as const },
  };
  const { failed, stdout, stderr } = await new Promise<
    Record<"stdout" | "stderr", string> & { failed: boolean }
  >((resolve) => {
    execFile(command!, args, options, (error, stdout, stderr) =>
      resolve({ failed: !!error, stdout, stderr }),
    );
  });
  signal.throwIfAborted();
  if (!failed) return Printed.parse(JSON.parse(stdout)).device;
  const [reason = "", hint = ""] = stderr.trim().split("\n").slice(-2);
  throw new ProviderError(reason, {
    retryable: true,
    hint: hint || "Check PYTHON and the trainer's requirements.",
  });
}
