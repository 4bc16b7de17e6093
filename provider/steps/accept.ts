import { isCallException } from "ethers";
import { ProtocolError } from "../../sdk/errors.ts";
import { acceptTask } from "../../sdk/task/calls.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { latestBlock } from "../../sdk/transaction/latestBlock.ts";
import { ProviderError, TaskRefusedError } from "../errors.ts";
import { ensureDiskSpace } from "./parts/ensureDiskSpace.ts";
import type { StepFunction } from "./parts/StepContext.ts";
import { sendStep } from "./parts/sendStep.ts";

/**
 * Accepts the task: the bond is reserved and the training deadline starts. Its slot is already free, so that no other
 * training run takes time from it.
 */
export const accept: StepFunction = async (context, record, signal) => {
  const { client, gasMoney, trainer, machine, python } = context;
  const { id } = record;
  if (machine.isBroken) throw machineBrokenError();
  // A task that is already accepted continues regardless of disk space and OG.
  const task = await getTask(client, { id });
  if (task.state === "Created") {
    if ((await latestBlock(client)).timestamp > task.deadline) throw orderExpiredError(task);
    await python.requireWorking();
    await gasMoney.requireReserve(id);
    await ensureDiskSpace(context, record);
    await trainer.checkMachine(signal);
  }
  try {
    const call = acceptTask(client, { id });
    return await sendStep(context, { id, step: "accept", from: "Created", call }, signal);
  } catch (error) {
    throw isBondMissing(error) ? bondMissingError(context.provider, error) : error;
  }
};

function orderExpiredError({ deadline }: Task): TaskRefusedError {
  return new TaskRefusedError(
    "ProviderBusy",
    `The order was valid until ${new Date(deadline * 1_000).toISOString()}.`,
    "Cancel it, and order again.",
  );
}

function machineBrokenError(): ProviderError {
  return new ProviderError("Trainers fail on this machine, so no new tasks are accepted.", {
    retryable: true,
    hint: "The task will be accepted once a probe succeeds; see /readyz.",
  });
}

/** Whether the Ledger reverted for lack of OG, as opposed to a wallet without gas. */
function isBondMissing(error: unknown): boolean {
  return (
    error instanceof ProtocolError &&
    error.code === "insufficient-funds" &&
    isCallException(error.cause)
  );
}

function bondMissingError(provider: string, cause: unknown): TaskRefusedError {
  return new TaskRefusedError(
    "ProviderBusy",
    `The account of ${provider} does not have enough OG for the bond of this task.`,
    "Choose another provider, or try again when its other tasks have ended.",
    cause,
  );
}
