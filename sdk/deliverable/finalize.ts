import type { Client } from "../client.ts";
import type { TaskId } from "../ids.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Pays the providers of tasks whose dispute period is over. A task that is not due is skipped. Anybody may. */
export function finalize(client: Client, { ids }: { ids: readonly TaskId[] }): Call {
  return servingCall(client, "finalize", [ids]);
}
