import type { Client } from "../client.ts";
import type { TaskId } from "../ids.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Takes back a task that nobody has accepted; the fee is released. */
export function cancelTask(client: Client, { id }: { id: TaskId }): Call {
  return servingCall(client, "cancelTask", [id]);
}
