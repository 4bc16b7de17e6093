import { isCallException } from "ethers";
import { ProtocolError } from "../../sdk/errors.ts";
import { acceptTask } from "../../sdk/task/calls.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { ProviderError, TaskRefusedError } from "../errors.ts";
import { ensureDiskSpace } from "./parts/ensureDiskSpace.ts";
import type { StepFunction } from "./parts/StepContext.ts";
import { sendStep } from "./parts/sendStep.ts";

/**
 * Takes the task on: the bond is reserved and the training deadline starts. Its slot is free by now, so that no other
 * training takes time from it.
 */
export const accept: StepFunction = async (context, record, signal) => {
  const { client, gasMoney, trainer, machine, python } = context;
  const { id } = record;
  if (machine.isBroken) throw machineBrokenError();
  // One that is accepted already goes on, with what disk and what OG there are.
  if ((await getTask(client, { id })).state === "Created") {
    await python.requireWorking();
    await gasMoney.requireReserve(id);
    await ensureDiskSpace(context, record);
    await trainer.checkMachine?.(signal);
  }
  try {
    const call = acceptTask(client, { id });
    return await sendStep(context, { id, step: "accept", from: "Created", call }, signal);
  } catch (error) {
    throw isBondMissing(error) ? bondMissingError(error) : error;
  }
};

function machineBrokenError(): ProviderError {
  return new ProviderError("Trainers die on this machine, so that nothing new is accepted.", {
    retryable: true,
    hint: "It is accepted when a probe has ended well; see readyz.",
  });
}

/** The Ledger's refusal, as opposed to a wallet without gas. */
function isBondMissing(error: unknown): boolean {
  return (
    error instanceof ProtocolError &&
    error.code === "insufficient-funds" &&
    isCallException(error.cause)
  );
}

function bondMissingError(cause: unknown): TaskRefusedError {
  return new TaskRefusedError(
    "ProviderBusy",
    "The provider has not enough OG left to put up the bond for this task.",
    "Choose another provider, or try again when its other tasks are finished.",
    cause,
  );
}
