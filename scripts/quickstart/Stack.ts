import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

interface Running {
  readonly name: string;
  readonly child: ChildProcess;
  readonly logFile: string;
}

/**
 * Processes that live as long as the quick start, stopped in the opposite order of their start. Each has its own
 * process group, so that what it started itself goes with it, and writes to a log file, so that it can outlive us.
 */
export class Stack {
  readonly #running: Running[] = [];
  readonly #death = Promise.withResolvers<never>();
  #stopping = false;

  constructor() {
    this.#death.promise.catch(() => undefined); // nobody has to listen
  }

  /** Rejects as soon as one of the processes ends without having been asked to. */
  get death(): Promise<never> {
    return this.#death.promise;
  }

  /**
   * Starts a process and waits until `ready` is found in its output.
   * @throws Error with the end of the output when it ends, or is not ready within `timeoutSeconds`.
   */
  async start(
    name: string,
    command: readonly string[],
    options: { env: NodeJS.ProcessEnv; ready: RegExp; timeoutSeconds: number; directory: string },
  ): Promise<void> {
    const logFile = join(options.directory, `${name}.log`);
    const output = openSync(logFile, "w");
    const child = spawn(command[0]!, command.slice(1), {
      env: options.env,
      detached: true,
      stdio: ["ignore", output, output],
    });
    closeSync(output);
    let failure = "";
    child.once("error", (error) => {
      failure = `could not be started: ${error.message}`;
    });
    child.once("exit", (code, signal) => {
      failure ||= `ended early (${signal ?? code}).`;
      if (!this.#stopping) this.#death.reject(new Error(`The ${name} ${failure}`));
    });
    this.#running.push({ name, child, logFile });
    const deadline = performance.now() + options.timeoutSeconds * 1000;
    while (!options.ready.test(await readFile(logFile, "utf8"))) {
      if (performance.now() > deadline) failure ||= `was not ready in ${options.timeoutSeconds} s.`;
      if (failure) throw new Error(`The ${name} ${failure}\n${await this.logOf(name)}`);
      await sleep(50);
    }
  }

  /** The last lines that a process printed, for an error report. */
  async logOf(name: string): Promise<string> {
    const entry = this.#running.find((running) => running.name === name);
    return entry ? (await readFile(entry.logFile, "utf8")).slice(-2000) : "";
  }

  /** Asks every process to end, newest first; one that does not within ten seconds is killed with its group. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const { child } of this.#running.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill("SIGTERM");
      const timer = setTimeout(() => killGroup(child), 10_000);
      await ended;
      clearTimeout(timer);
    }
    this.#running.length = 0;
  }

  /** Lets the processes outlive this one. */
  release(): readonly { name: string; pid: number }[] {
    for (const { child } of this.#running) child.unref();
    return this.#running.map(({ name, child }) => ({ name, pid: child.pid! }));
  }
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch {
    // the group is gone already
  }
}
