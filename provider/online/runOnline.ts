import { spawn } from "node:child_process";
import { ProviderError } from "../errors.ts";

/** The Python package that goes online for trainings, which themselves have no network. */
export interface OnlineProcess {
  /** The interpreter. */
  readonly python: string;
  /** The whole environment: nothing else of the daemon's reaches it. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Secrets by the names that the package reads. Written to its standard input, never to arguments or environment. */
export type OnlineSecrets = Readonly<Record<string, string | undefined>>;

/** A verb that can never succeed: `message` and `hint` are the package's own sentences. */
export class OnlineRefusedError extends ProviderError {
  override readonly name = "OnlineRefusedError";
}

/** Exit code of a verb that can never succeed. */
const REFUSED = 2;
const MAX_OUTPUT = 64 * 1024;

/**
 * Runs `python -m <module> …` to its end. @returns what it printed.
 * @throws OnlineRefusedError when it can never succeed, ProviderError when it may later.
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
  child.stdin.on("error", () => undefined); // it may end before it has read anything
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
