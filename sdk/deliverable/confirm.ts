import type { Client } from "../client.ts";
import type { TaskId } from "../ids.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Confirms as the user that everything decrypts to what was committed to; pays the provider. */
export function confirm(client: Client, { id }: { id: TaskId }): Call {
  return servingCall(client, "confirm", [id]);
}
