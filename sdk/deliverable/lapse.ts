import type { Client } from "../client.ts";
import type { TaskId } from "../ids.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Ends a delivered task that its user never acknowledged in time. Anybody may. */
export function lapse(client: Client, { id }: { id: TaskId }): Call {
  return servingCall(client, "lapse", [id]);
}
