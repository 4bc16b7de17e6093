import { formatTaskId, type TaskId } from "../../../sdk/ids.ts";
import { decodeTask, type Task } from "../../../sdk/task/Task.ts";
import { readChain } from "../../../sdk/transaction/readChain.ts";
import { ProviderError } from "../../errors.ts";
import type { JobEvent } from "../../machine/machine.ts";
import type { StepContext } from "./StepContext.ts";

type Reader = Pick<StepContext, "client" | "store">;

/**
 * The state of a task in the newest confirmed block: a state that a reorganization can still undo is no reason to
 * remove a job's files.
 * @throws ProviderError (retryable) if the task does not exist although its creation event does. An endpoint that lags,
 * or has lost its contracts, looks like one whose chain was reorganized, but only a reorganization undoes events.
 */
export async function readTaskState(
  { client, store }: Reader,
  id: TaskId,
  confirmations: number,
): Promise<JobEvent> {
  const task = await readTask(client, id, confirmations);
  if (task) {
    const { state, deadline, trainingTime } = task;
    return { type: "chain", state, deadline, trainingTime };
  }
  if (!store.hasEvent(id, "TaskCreated"))
    return { type: "chain", state: "None", deadline: 0, trainingTime: 0 };
  throw new ProviderError(`The RPC endpoint does not show task ${formatTaskId(id)}.`, {
    retryable: true,
    hint: "It is lagging; this will be retried after a pause.",
  });
}

function readTask(
  client: Reader["client"],
  id: TaskId,
  confirmations: number,
): Promise<Task | null> {
  return readChain(client, async () => {
    const blockTag =
      confirmations === 0 ? "latest" : (await client.provider.getBlockNumber()) - confirmations;
    return decodeTask(id, await client.serving.taskOf(id, { blockTag }));
  });
}
