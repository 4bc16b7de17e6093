import type { Client } from "../client.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";
import { encodeOrder, type TaskOrder } from "./TaskOrder.ts";

/** Orders a task and reserves its fee. prepareOrder makes the order and tells the task's id. */
export function createTask(client: Client, { order }: { order: TaskOrder }): Call {
  return servingCall(client, "createTask", [encodeOrder(order)]);
}
