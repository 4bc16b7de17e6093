import type { Client } from "../client.ts";
import type { TaskId } from "../ids.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Publishes as the provider the 32-byte key whose hash was committed to. */
export function reveal(client: Client, { id, key }: { id: TaskId; key: string }): Call {
  return servingCall(client, "reveal", [id, key]);
}
