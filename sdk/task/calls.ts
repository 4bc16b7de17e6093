import type { Client } from "../client.ts";
import type { TaskId } from "../ids.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";
import type { SettlementConsent } from "./consentToSettlement.ts";
import { FAIL_REASONS, type FailReason } from "./FailReason.ts";
import { encodeOrder, type TaskOrder } from "./TaskOrder.ts";

/** Verbs that are a single contract call. */

export interface CreateTaskParameters {
  readonly order: TaskOrder;
}

export interface TaskParameters {
  readonly id: TaskId;
}

export interface FailTaskParameters {
  readonly id: TaskId;
  readonly reason: FailReason;
}

/**
 * Creates a task and reserves its fee. prepareOrder builds the order and returns the task's id.
 * @example await send(client, createTask(client, { order }));
 */
export function createTask(client: Client, { order }: CreateTaskParameters): Call {
  return servingCall(client, "createTask", [encodeOrder(order)]);
}

/**
 * Cancels a task that the provider has not accepted; the fee is released.
 * @example await send(client, cancelTask(client, { id }));
 */
export function cancelTask(client: Client, { id }: TaskParameters): Call {
  return servingCall(client, "cancelTask", [id]);
}

/**
 * Accepts a task as its provider: reserves the bond and starts the training deadline.
 * @example await send(client, acceptTask(client, { id }));
 */
export function acceptTask(client: Client, { id }: TaskParameters): Call {
  return servingCall(client, "acceptTask", [id]);
}

/**
 * Fails a task as its provider; the fee is released. After acceptance, the user gets a part of the bond that grows with
 * the time, up to a quarter; the rest is released.
 * @example await send(client, failTask(client, { id, reason }));
 */
export function failTask(client: Client, { id, reason }: FailTaskParameters): Call {
  return servingCall(client, "failTask", [id, FAIL_REASONS.indexOf(reason)]);
}

/**
 * Settles a running task as its provider, for the part of the fee that the user consented to.
 * @example await send(client, settleCancelled(client, consent));
 */
export function settleCancelled(
  client: Client,
  { id, amount, deadline, signature }: SettlementConsent,
): Call {
  return servingCall(client, "settleCancelled", [id, amount, deadline, signature]);
}
