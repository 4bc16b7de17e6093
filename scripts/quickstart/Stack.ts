import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { identify, type ProcessIdentity } from "../../provider/processes/processTable.ts";
import { endProcess } from "./endProcess.ts";
import type { WatchdogOrder } from "./watchdog.ts";

interface Running {
  readonly name: string;
  readonly child: ChildProcess;
  readonly identity: ProcessIdentity | null;
  readonly logFile: string;
}

/** A process of the stack that can be found again later. */
export interface NamedProcess extends ProcessIdentity {
  readonly name: string;
}

const WATCHDOG = join(import.meta.dirname, "watchdog.ts");

/**
 * Processes that run as long as the quick start, stopped in reverse order of their start. Each has its own process
 * group and writes to a log file, so that it can outlive this process; a watchdog ends them if this process dies.
 */
export class Stack {
  readonly #running: Running[] = [];
  readonly #death = Promise.withResolvers<never>();
  readonly #watchdog: ChildProcess;
  #stopping = false;

  constructor() {
    this.#death.promise.catch(() => undefined); // it may have no other handler
    this.#watchdog = spawn(process.execPath, [WATCHDOG], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.#watchdog.stdin!.on("error", () => undefined); // handled by its exit
    this.#watchdog.once("exit", () => this.#died("The watchdog ended early."));
  }

  /** Rejects as soon as one of the processes ends unexpectedly. */
  get death(): Promise<never> {
    return this.#death.promise;
  }

  /** The running processes, in the order of their start. */
  get processes(): NamedProcess[] {
    return this.#running.flatMap(({ name, identity }) => (identity ? [{ name, ...identity }] : []));
  }

  /** Has another process ended, too, if this process dies. @returns null if it has ended already. */
  watch(pid: number | undefined): ProcessIdentity | null {
    const identity = pid === undefined ? null : identify(pid);
    if (identity) this.#order({ end: identity });
    return identity;
  }

  /** Has a temporary directory removed if this process dies. */
  removeAfterDeath(directory: string): void {
    this.#order({ remove: directory });
  }

  /**
   * Starts a process and waits until `ready` is found in its output.
   * @throws Error with the end of the output if it ends, or is not ready within `timeoutSeconds`.
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
    this.#running.push({ name, child, identity: this.watch(child.pid), logFile });
    let failure = "";
    child.once("error", (error) => {
      failure = `could not be started: ${error.message}`;
    });
    child.once("exit", (code, signal) => {
      failure ||= `ended early (${signal ?? code}).`;
      this.#died(`The ${name} ${failure}`);
    });
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

  /** Ends every process with everything that it has started, newest first. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const { identity } of this.#running.toReversed()) if (identity) await endProcess(identity);
    this.#running.length = 0;
  }

  /** Dismisses the watchdog: what is still running outlives this process. */
  release(): void {
    this.#stopping = true;
    this.#order({ release: true });
    this.#watchdog.stdin!.end();
    this.#watchdog.unref();
    for (const { child } of this.#running) child.unref();
  }

  #order(order: WatchdogOrder): void {
    this.#watchdog.stdin!.write(`${JSON.stringify(order)}\n`);
  }

  #died(what: string): void {
    if (!this.#stopping) this.#death.reject(new Error(what));
  }
}
