import type { Client } from "../client.ts";
import type { Root, TaskId } from "../ids.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Confirms as the user that the encrypted model at `root`, and no other, has arrived. */
export function acknowledge(client: Client, { id, root }: { id: TaskId; root: Root }): Call {
  return servingCall(client, "acknowledge", [id, root]);
}
