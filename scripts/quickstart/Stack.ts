import { type ChildProcess, spawn } from "node:child_process";

/**
 * Processes that live as long as the quick start, stopped in the opposite order of their start. Each has its own
 * process group, so that what it started itself goes with it.
 */
export class Stack {
  readonly #running: { readonly name: string; readonly child: ChildProcess; log: string }[] = [];

  /**
   * Starts a process and waits until `ready` finds what it looks for in the output.
   * @throws Error with the end of the process's output when it ends, or says nothing for `timeoutSeconds`.
   */
  async start(
    name: string,
    command: readonly string[],
    options: { env: NodeJS.ProcessEnv; ready: RegExp; timeoutSeconds: number },
  ): Promise<void> {
    const child = spawn(command[0]!, command.slice(1), {
      env: options.env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const entry = { name, child, log: "" };
    this.#running.push(entry);
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${name} ${why}\n${entry.log.slice(-4000)}`));
      const timer = setTimeout(
        () => fail(`was not ready after ${options.timeoutSeconds} seconds.`),
        options.timeoutSeconds * 1000,
      );
      const listen = (data: Buffer) => {
        entry.log = (entry.log + data.toString()).slice(-100_000);
        if (options.ready.test(entry.log)) {
          clearTimeout(timer);
          resolve();
        }
      };
      child.stdout.on("data", listen);
      child.stderr.on("data", listen);
      child.once("error", (error) => fail(`could not be started: ${error.message}`));
      child.once("exit", (code, signal) => {
        clearTimeout(timer);
        fail(`ended early (${signal ?? code}).`);
      });
    });
  }

  /** The last lines a process printed, for an error report. */
  logOf(name: string): string {
    return this.#running.find((entry) => entry.name === name)?.log ?? "";
  }

  /** Asks every process to end, newest first; one that does not within ten seconds is killed with its group. */
  async stop(): Promise<void> {
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
    return this.#running.map(({ name, child }) => {
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.unref();
      return { name, pid: child.pid! };
    });
  }
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch {
    // the group is gone already
  }
}
