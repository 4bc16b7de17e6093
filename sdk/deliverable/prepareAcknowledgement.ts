import { type FundingStep, prepareFunds } from "../account/prepareFunds.ts";
import type { Client } from "../client.ts";
import type { Root } from "../ids.ts";
import { getTask } from "../task/getTask.ts";
import type { Task } from "../task/Task.ts";
import { UNACKNOWLEDGED } from "../taskStates.ts";
import type { Call } from "../transaction/Call.ts";
import { latestBlock } from "../transaction/latestBlock.ts";
import { lapse } from "./calls.ts";

/** A task whose delivery is not acknowledged yet, in time or late. */
export type Unacknowledged = Task & { readonly root: Root };

export const awaitsAcknowledgement = (task: Task): task is Unacknowledged =>
  task.root !== null && UNACKNOWLEDGED.has(task.state);

/** A call that has to be sent before a late acknowledgement. */
type AcknowledgementStep = FundingStep | { readonly name: "lapse"; readonly call: Call };

/**
 * The calls that have to be sent before a delivery can be acknowledged, each built when the one before was sent: none
 * in time. After the deadline, the task has to lapse first, which anyone may call; then the rest of the fee is reserved
 * again.
 */
export async function* prepareAcknowledgement(
  client: Client,
  task: Unacknowledged,
): AsyncGenerator<AcknowledgementStep> {
  const { timestamp } = await latestBlock(client);
  if (task.state !== "Lapsed" && timestamp <= task.deadline) return;
  if (task.state === "Delivered") yield { name: "lapse", call: lapse(client, task) };
  const { provider, fee, rebate, paid } = await getTask(client, task);
  yield* await prepareFunds(client, { provider, amount: fee - rebate - paid });
}
