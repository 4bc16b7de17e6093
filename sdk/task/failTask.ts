import type { Client } from "../client.ts";
import type { TaskId } from "../ids.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";
import { FAIL_REASONS, type FailReason } from "./FailReason.ts";

/** Gives a task up as its provider; fee and bond are released. */
export function failTask(client: Client, { id, reason }: { id: TaskId; reason: FailReason }): Call {
  return servingCall(client, "failTask", [id, FAIL_REASONS.indexOf(reason)]);
}
