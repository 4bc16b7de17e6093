import type { Client } from "../client.ts";
import type { MisbehaviourProof } from "../exchange/misbehaviourProof.ts";
import type { TaskId } from "../ids.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/**
 * Proves as the user, until the dispute deadline, that a page is not what the provider committed to: the fee comes
 * back, and half of the bond with it.
 */
export function proveMisbehaviour(
  client: Client,
  { id, proof }: { id: TaskId; proof: MisbehaviourProof },
): Call {
  return servingCall(client, "proveMisbehaviour", [id, proof]);
}
