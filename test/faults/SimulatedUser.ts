import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { acknowledge, confirm } from "../../sdk/deliverable/calls.ts";
import { downloadDeliverable } from "../../sdk/deliverable/downloadDeliverable.ts";
import { openDeliverable } from "../../sdk/deliverable/openDeliverable.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import type { TaskId } from "../../sdk/ids.ts";
import { cancelTask } from "../../sdk/task/calls.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { encodeOrder } from "../../sdk/task/TaskOrder.ts";
import type { TaskState } from "../../sdk/taskStates.ts";
import { servingCall } from "../../sdk/transaction/buildCall.ts";
import { send } from "../../sdk/transaction/send.ts";
import type { Account } from "../helpers/MarketFixture.ts";
import type { FaultFixture } from "./FaultFixture.ts";

/** How a user behaves, which determines how their task ends. */
export type Ending = "confirm" | "finalize" | "lapse" | "late" | "cancel" | "refuse" | "fail";
/** All except those that only a malicious training run has: its task is accepted, and failed. */
export const ENDINGS: readonly Ending[] = [
  "confirm",
  "finalize",
  "lapse",
  "late",
  "cancel",
  "refuse",
];

/** Changes an order before it is sent. */
export type Tamper = (order: ReturnType<typeof encodeOrder>) => ReturnType<typeof encodeOrder>;

/** Seconds past a deadline. */
const PAST = 10n;

/** One task and its user, who polls the chain and does the user's part. */
export class SimulatedUser {
  readonly ending: Ending;
  readonly user: Account;
  readonly account: number;
  id!: TaskId;
  /** The last state seen. */
  state: TaskState | "None" = "None";
  /** SHA-256 of the decrypted model. */
  opened: string | null = null;
  /** Others on the same chain: time is advanced only if none of them misses a deadline. */
  neighbours: readonly SimulatedUser[] = [];
  /** The task only waits for time to pass. */
  isWaiting = false;
  /** Changes the order before it is placed, for malicious users. */
  tamper: Tamper = (order) => order;
  /** Inspects the archive that the user decrypted. */
  inspect: (path: string) => void = () => undefined;
  readonly #market: FaultFixture;
  readonly #directory: string;
  #hasLapsed = false;

  constructor(
    market: FaultFixture,
    directory: string,
    account: number,
    ending: Ending,
    user = market.client(account),
  ) {
    this.#market = market;
    this.#directory = directory;
    this.account = account;
    this.ending = ending;
    this.user = user;
  }

  /** Whether the order is refused because of the user's behaviour. */
  isTampered = false;
  /** The provider's API reports that it will not accept the order. */
  isRefused = false;

  async place(): Promise<void> {
    const model = this.ending === "refuse" && !this.isTampered ? "unknown" : "stub";
    const { id, order } = await this.#market.prepare(this.user, model);
    this.id = id;
    await send(this.user, servingCall(this.user, "createTask", [this.tamper(encodeOrder(order))]));
    if (this.ending === "cancel")
      await this.#try(() => send(this.user, cancelTask(this.user, { id })));
  }

  /** Polls once and acts once. @returns whether the task has ended as expected. */
  async poll(): Promise<boolean> {
    const task = await this.#read();
    this.state = task?.state ?? "None";
    this.isWaiting = false;
    if (task) await this.#try(() => this.#act(task));
    else await this.#try(() => this.place());
    return this.hasEnded();
  }

  hasEnded(): boolean {
    switch (this.ending) {
      case "cancel": // the provider may have been faster
        return this.state === "Cancelled" || this.state === "Settled";
      case "refuse":
        return this.state === "Cancelled";
      case "fail":
        return this.state === "Failed";
      case "lapse":
        return this.state === "Lapsed";
      default:
        return this.state === "Settled";
    }
  }

  async #act(task: Task): Promise<void> {
    const { id } = task;
    const { chain } = this.#market;
    switch (task.state) {
      case "Created":
        if (this.isRefused) await send(this.user, cancelTask(this.user, { id }));
        else await chain.mine();
        return;
      case "Delivered": {
        const waits = this.ending === "lapse" || (this.ending === "late" && !this.#hasLapsed);
        if (!waits) await send(this.user, acknowledge(this.user, { id, root: task.root! }));
        else await this.#passTo(task.deadline);
        return;
      }
      case "Lapsed":
        this.#hasLapsed = true;
        if (this.ending === "late")
          await send(this.user, acknowledge(this.user, { id, root: task.root! }));
        else await chain.mine();
        return;
      case "Revealed":
        if (this.opened === null) this.opened = await this.#open(task);
        if (this.ending === "finalize") await this.#passTo(task.deadline);
        else await send(this.user, confirm(this.user, { id }));
        return;
      default:
        await chain.mine();
    }
  }

  /** Advances the chain's clock past a deadline, once. */
  async #passTo(deadline: number): Promise<void> {
    const { chain } = this.#market;
    const { timestamp } = (await chain.rpc.getBlock("latest"))!;
    this.isWaiting = timestamp <= deadline;
    const isFree = this.neighbours.every((other) => other.isWaiting || other.hasEnded());
    if (this.isWaiting && isFree) await chain.increaseTime(BigInt(deadline - timestamp) + PAST);
    else await chain.mine();
  }

  async #open(task: Task): Promise<string> {
    const encryptedPath = join(this.#directory, `${task.id}.enc`);
    const outputPath = join(this.#directory, `${task.id}.zip`);
    await downloadDeliverable(this.user, { task, targetPath: encryptedPath });
    await openDeliverable(this.user, { task, encryptedPath, outputPath });
    this.inspect(outputPath);
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(outputPath)) hash.update(chunk);
    await Promise.all([rm(encryptedPath), rm(outputPath)]);
    return hash.digest("hex");
  }

  async #read(): Promise<Task | null> {
    try {
      return await getTask(this.user, { id: this.id });
    } catch (error) {
      if (error instanceof ProtocolError && error.code === "not-found") return null;
      throw error;
    }
  }

  /** A user whose transaction comes too late, or whose chain is reorganized, retries. */
  async #try(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof ProtocolError) || error.code === "integrity") throw error;
    }
  }
}
