/** Tasks: from the order to the end. */

export * from "./calls.ts";
export * from "./consentToSettlement.ts";
export * from "./Delivery.ts";
export * from "./FailReason.ts";
export * from "./fetchCancellation.ts";
export * from "./fetchTaskStatus.ts";
export * from "./getTask.ts";
export * from "./getTaskOrder.ts";
export * from "./listOrders.ts";
export * from "./listTasks.ts";
export * from "./prepareOrder.ts";
export * from "./progressOf.ts";
export * from "./quote.ts";
export * from "./readStanding.ts";
export * from "./requestCancellation.ts";
export * from "./sendSecrets.ts";
export * from "./standing.ts";
export * from "./streamTask.ts";
export * from "./Task.ts";
export * from "./TaskOrder.ts";
export * from "./taskEvents.ts";
export * from "./uploadDataset.ts";
