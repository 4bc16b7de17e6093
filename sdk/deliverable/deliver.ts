import type { Client } from "../client.ts";
import type { Delivery } from "../task/Delivery.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Posts the deliverable as the task's provider. Once, before the training deadline. */
export function deliver(client: Client, { delivery }: { delivery: Delivery }): Call {
  return servingCall(client, "deliver", [delivery]);
}
