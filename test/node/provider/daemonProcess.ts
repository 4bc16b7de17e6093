import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { HANGS_AFTER } from "../../helpers/patience.ts";

const ROOT = join(import.meta.dirname, "../../..");

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A real daemon: `node provider/main.ts` in its own process. */
export class DaemonProcess {
  readonly lines: LogLine[] = [];
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly #child: ChildProcess;
  #fatal: ((line: LogLine) => boolean) | undefined;

  constructor(environment: Record<string, string>) {
    this.#child = spawn(process.execPath, [join(ROOT, "provider/main.ts")], {
      cwd: ROOT,
      env: { PATH: process.env.PATH ?? "", ...environment },
      stdio: ["ignore", "inherit", "pipe"],
    });
    createInterface({ input: this.#child.stderr! }).on("line", (text) => {
      const line = readLine(text);
      this.lines.push(line);
      if (this.#fatal?.(line)) this.#child.kill("SIGKILL");
    });
    this.exited = new Promise((resolve) =>
      this.#child.once("exit", (code, signal) => resolve({ code, signal })),
    );
  }

  get pid(): number {
    return this.#child.pid!;
  }

  kill(signal: NodeJS.Signals): Promise<unknown> {
    this.#child.kill(signal);
    return this.exited;
  }

  /** Kills the daemon when it logs a matching line, and waits for its end. */
  async killAt(moment: (line: LogLine) => boolean): Promise<void> {
    this.#fatal = moment;
    if (this.lines.some(moment)) this.#child.kill("SIGKILL");
    await this.exited;
  }

  /** The first log line with this message, now or later. */
  async line(message: string | RegExp): Promise<LogLine> {
    const matches = ({ msg }: LogLine) =>
      typeof message === "string" ? msg === message : message.test(msg);
    return eventually(`the log line ${message}`, () => this.lines.find(matches), {
      explain: () => this.lines.map((line) => JSON.stringify(line)).join("\n"),
    });
  }

  async ready(): Promise<{ api: string; storage: string }> {
    return (await this.line("ready")) as unknown as { api: string; storage: string };
  }
}

/** Polls until the answer is neither undefined, null nor false. */
export async function eventually<T>(
  what: string,
  ask: () => T | Promise<T>,
  { explain }: { explain?: () => string } = {},
): Promise<Exclude<T, undefined | null | false>> {
  for (const deadline = Date.now() + HANGS_AFTER; ; await sleep(75)) {
    const answer = await ask();
    if (answer !== undefined && answer !== null && answer !== false) {
      return answer as Exclude<T, undefined | null | false>;
    }
    if (Date.now() > deadline) throw new Error(`${what} did not come\n${explain?.() ?? ""}`);
  }
}

function readLine(line: string): LogLine {
  try {
    return JSON.parse(line);
  } catch {
    return { level: 0, msg: line };
  }
}
