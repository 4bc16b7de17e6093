import { readFileSync } from "node:fs";
import { join } from "node:path";
import { getAccount } from "../../../sdk/account/getAccount.ts";
import type { Client } from "../../../sdk/client.ts";
import { acknowledge } from "../../../sdk/deliverable/calls.ts";
import { downloadDeliverable } from "../../../sdk/deliverable/downloadDeliverable.ts";
import { openDeliverable } from "../../../sdk/deliverable/openDeliverable.ts";
import type { TaskId } from "../../../sdk/ids.ts";
import type { Service } from "../../../sdk/service/Service.ts";
import { verifyProvider } from "../../../sdk/service/verifyProvider.ts";
import { fetchTaskStatus, type TaskStatus } from "../../../sdk/task/fetchTaskStatus.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import { streamLog } from "../../../sdk/task/streamTask.ts";
import type { Task } from "../../../sdk/task/Task.ts";
import type { TaskState } from "../../../sdk/taskStates.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { DaemonFixture } from "./DaemonFixture.ts";
import { type DaemonProcess, eventually, type LogLine } from "./daemonProcess.ts";

/** One registered provider with a running daemon, and one user with money. */
export class TradeFixture {
  readonly market: DaemonFixture;
  readonly user: Client;
  readonly service: Service;
  readonly #python: string | undefined;
  daemon: DaemonProcess;
  /** The logs of earlier daemons. */
  readonly history: LogLine[] = [];

  private constructor(
    market: DaemonFixture,
    user: Client,
    service: Service,
    daemon: DaemonProcess,
    python: string | undefined,
  ) {
    this.market = market;
    this.user = user;
    this.service = service;
    this.daemon = daemon;
    this.#python = python;
  }

  static async open(options: { fastTrainer: boolean }): Promise<TradeFixture> {
    const market = await DaemonFixture.open();
    market.makeModels();
    const python = options.fastTrainer ? market.makeFastTrainer() : undefined;
    const daemon = market.startDaemon(python);
    const { api } = await daemon.ready();
    await daemon.line("This provider is not registered yet.");
    await market.registerDaemon(api);
    await daemon.line("registered");
    const user = market.client(2);
    await market.openAccount(user, 10n ** 18n);
    const { service } = await verifyProvider(user, { provider: market.provider.address });
    return new TradeFixture(market, user, service, daemon, python);
  }

  close(): Promise<void> {
    return this.market.close();
  }

  /** Starts the daemon again after it has ended. */
  async restart(): Promise<void> {
    this.history.push(...this.daemon.lines);
    this.daemon = this.market.startDaemon(this.#python);
    await this.daemon.ready();
  }

  /** What the daemon has logged, for the report of a failure. */
  readonly explain = (): string =>
    [...this.history, ...this.daemon.lines].map((line) => JSON.stringify(line)).join("\n");

  until(id: TaskId, state: TaskState): Promise<Task> {
    const reached = async () => {
      const task = await getTask(this.user, { id });
      return task.state === state && task;
    };
    return eventually(`state ${state}`, reached, { explain: this.explain });
  }

  /** The task as the provider shows it to its user; null if the provider does not know it yet. */
  status(id: TaskId): Promise<TaskStatus | null> {
    return fetchTaskStatus(this.user, { service: this.service, id }).catch(() => null);
  }

  /** The lines of the task's log: those so far, or with `follow` all until its end. */
  async log(id: TaskId, follow = false): Promise<string[]> {
    const lines: string[] = [];
    for await (const line of streamLog(this.user, { service: this.service, id, follow }))
      lines.push(line);
    return lines;
  }

  /** Downloads, acknowledges and decrypts a delivery, of this user or another one. @returns the archive. */
  async takeDelivery(task: Task, user = this.user, taskKey?: Uint8Array): Promise<Buffer> {
    const { id } = task;
    const encryptedPath = join(this.market.folder, `${id}.enc`);
    await downloadDeliverable(user, { task, targetPath: encryptedPath });
    await send(user, acknowledge(user, { id, root: task.root! }));
    const revealed = await this.until(id, "Revealed");
    const outputPath = join(this.market.folder, `${id}.zip`);
    await openDeliverable(user, { task: revealed, taskKey, encryptedPath, outputPath });
    return readFileSync(outputPath);
  }

  /** Neuron of the provider in the Ledger, in any account. */
  async providerTotal(): Promise<bigint> {
    return (await getAccount(this.user, { account: this.market.provider.address })).total;
  }

  async eventNames(id: TaskId): Promise<string[]> {
    return (await this.market.events(id)).map(({ name }) => name);
  }
}
