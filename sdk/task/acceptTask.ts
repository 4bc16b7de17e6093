import type { Client } from "../client.ts";
import type { TaskId } from "../ids.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Takes a task on as its provider: reserves the bond and starts the training deadline. */
export function acceptTask(client: Client, { id }: { id: TaskId }): Call {
  return servingCall(client, "acceptTask", [id]);
}
