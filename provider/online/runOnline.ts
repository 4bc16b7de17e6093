import { spawn } from "node:child_process";
import { ProviderError } from "../errors.ts";

/** The Python package that goes online on behalf of training runs, which have no network themselves. */
export interface OnlineProcess {
  /** The interpreter. */
  readonly python: string;
  /** The complete environment: no other variables of the daemon are passed on. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Secrets by the names that the package expects. Passed on standard input, never as arguments or environment. */
export type OnlineSecrets = Readonly<Record<string, string | undefined>>;

/** A command that can never succeed. `message` and `hint` come from the package. */
export class OnlineRefusedError extends ProviderError {
  override readonly name = "OnlineRefusedError";
}

/** Exit code of a command that can never succeed. */
const REFUSED = 2;
const MAX_OUTPUT = 64 * 1024;

/**
 * Runs `python -m <module> …`. @returns its standard output.
 * @throws OnlineRefusedError if it can never succeed, ProviderError if it may succeed later.
 */
export async function runOnline(
  { python, environment }: OnlineProcess,
  [module, ...args]: readonly [string, ...string[]],
  secrets: OnlineSecrets,
  signal: AbortSignal,
): Promise<string> {
  const child = spawn(python, ["-m", module, ...args], {
    env: environment,
    stdio: ["pipe", "pipe", "pipe"],
    signal,
    killSignal: "SIGKILL",
  });
  child.stdin.on("error", () => undefined); // the process may end before reading its input
  child.stdin.end(`${JSON.stringify(secrets)}\n`);
  const [stdout, stderr, code] = await Promise.all([
    collect(child.stdout),
    collect(child.stderr),
    new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    }),
  ]);
  signal.throwIfAborted();
  if (code === 0) return stdout;
  const [message = "", hint = ""] = stderr.trim().split("\n").slice(-2);
  const known = { hint, retryable: code !== REFUSED };
  if (code === REFUSED) throw new OnlineRefusedError(message, known);
  throw new ProviderError(message || `${module} ended with code ${code}.`, known);
}

async function collect(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const part of stream) text = (text + String(part)).slice(-MAX_OUTPUT);
  return text;
}
