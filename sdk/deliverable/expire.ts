import type { Client } from "../client.ts";
import type { TaskId } from "../ids.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Ends a task whose provider missed the training or the reveal deadline. Anybody may. */
export function expire(client: Client, { id }: { id: TaskId }): Call {
  return servingCall(client, "expire", [id]);
}
