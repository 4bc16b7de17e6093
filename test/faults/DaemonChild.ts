import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { hexlify } from "ethers";
import { standInTrainer } from "../helpers/standInTrainer.ts";
import { writeDeployment } from "../helpers/writeDeployment.ts";
import type { FaultFixture } from "./FaultFixture.ts";

const ROOT = join(import.meta.dirname, "../..");

/** A stub for Python that keeps the trainer's contract and learns nothing; see StubTrainer. */
const STUB = standInTrainer(`
event({ seq: 1, type: "progress", step: 1, total: 2 });
fs.mkdirSync(directory + "/out", { recursive: true });
fs.writeFileSync(directory + "/out/model.safetensors", Buffer.alloc(300_000, 7));
fs.writeFileSync(directory + "/out/receipt.json", "{}");
event({ seq: 2, type: "done" });
fs.writeFileSync(directory + "/result.json", JSON.stringify({ state: "done" }));
`);

export interface DaemonChildOptions {
  readonly wrapper?: readonly string[];
  readonly variables?: Readonly<Record<string, string>>;
  readonly refused?: Set<string>;
}

/** A real daemon in its own process, with a stub trainer. */
export class DaemonChild {
  readonly lines: {
    readonly msg?: string;
    readonly level?: number;
    readonly task?: string;
    readonly api?: string;
    readonly storage?: string;
  }[] = [];
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  #sayReady: () => void = () => undefined;
  readonly #ready: Promise<void>;

  /**
   * @param wrapper a command that starts the daemon's own
   * @param variables of the environment that differ from the usual ones
   * @param refused collects the ids of tasks that the daemon refuses, as its API would report them
   */
  constructor(
    market: FaultFixture,
    state: string,
    { wrapper = [], variables = {}, refused = new Set() }: DaemonChildOptions = {},
  ) {
    const [command, ...args] = [...wrapper, process.execPath, join(ROOT, "provider/main.ts")];
    this.#child = spawn(command!, args, {
      cwd: ROOT,
      env: { ...environment(market, state), ...variables },
      stdio: ["ignore", "ignore", "pipe"],
    });
    market.daemons.add(this);
    this.#ready = new Promise((resolve) => {
      this.#sayReady = resolve;
    });
    createInterface({ input: this.#child.stderr! }).on("line", (text) => {
      const line = readLine(text);
      this.lines.push(line);
      if (line.msg === "ready") this.#sayReady();
      if (line.msg === "task refused") refused.add(line.task!);
    });
    this.ended = new Promise((resolve) =>
      this.#child.once("exit", (code) => {
        market.daemons.delete(this);
        this.#sayReady();
        resolve(code);
      }),
    );
  }

  /** Settles when the daemon is ready, or has ended. */
  ready(): Promise<void> {
    return this.#ready;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  end(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    return this.ended;
  }
}

function environment(market: FaultFixture, state: string): Record<string, string> {
  const folder = market.folder;
  const python = join(folder, "stub-trainer");
  const deployment = join(folder, "deployment");
  if (!existsSync(python)) writeFileSync(python, STUB, { mode: 0o755 });
  if (!existsSync(deployment)) writeDeployment(deployment, market.chain.deployment);
  return {
    PATH: process.env.PATH ?? "",
    NODE_COMPILE_CACHE: join(folder, "compiled"), // a daemon is started a thousand times
    PROVIDER_PRIVATE_KEY: market.chain.accounts[1]!.privateKey,
    PROVIDER_ENCRYPTION_KEY: hexlify(market.encryptionKey.secret),
    RPC_ENDPOINT: market.chain.rpcUrl,
    STORAGE_ENDPOINT: market.storageUrl,
    DEPLOYMENT_DIR: deployment,
    PROVIDER_DIR: state,
    MODELS_DIR: join(folder, "models"),
    PYTHON: python,
    PROVIDER_PORT: "0",
    POLL_INTERVAL_MS: "20",
    SLOTS: "2",
    SANDBOX: "off",
  };
}

function readLine(text: string) {
  try {
    return JSON.parse(text);
  } catch {
    return { msg: text };
  }
}
