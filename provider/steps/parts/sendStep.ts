import { getTask } from "../../../sdk/task/getTask.ts";
import type { TaskState } from "../../../sdk/taskStates.ts";
import type { Submission } from "../../chain/Submitter.ts";
import type { Facts } from "../../store/Store.ts";
import type { StepContext } from "./StepContext.ts";

type Sent = Pick<Submission, "id" | "step" | "call" | "requireTime"> & {
  /** The state that the call ends: in any other state it has already had its effect. */
  readonly from: TaskState;
};

/** Sends a step's transaction. */
export async function sendStep(
  { client, submitter }: Pick<StepContext, "client" | "submitter">,
  { from, ...sent }: Sent,
  signal: AbortSignal,
): Promise<Facts> {
  const isDone = async () => (await getTask(client, sent)).state !== from;
  await submitter.submit({ ...sent, isDone }, signal);
  return {};
}
