/** Tasks, from the order to settlement. */

export type { DatasetKind } from "../dataset/formats/DatasetRow.ts";
export type { Secrets } from "../exchange/secrets.ts";
export type { FileProgress, OnProgress } from "../storage/files/rootOfContent.ts";
export type {
  Payer,
  Sign,
  TransferOptions,
  Uploaded,
  UploadOptions,
} from "../storage/transfer/TransferOptions.ts";
export type { TaskState } from "../taskStates.ts";
export type { Hyperparameters } from "../training/Hyperparameters.ts";
export * from "./calls.ts";
export * from "./checkDatasetBytes.ts";
export * from "./consentToSettlement.ts";
export type { Delivery } from "./Delivery.ts";
export * from "./FailReason.ts";
export {
  type Cancellation,
  type FetchCancellationParameters,
  fetchCancellation,
} from "./fetchCancellation.ts";
export * from "./fetchTaskStatus.ts";
export * from "./getTask.ts";
export { getTaskOrder, type PlacedOrder, type TaskOrderParameters } from "./getTaskOrder.ts";
export * from "./listCheckpoints.ts";
export * from "./listOpenTasks.ts";
export { type ListTasksParameters, listTasks } from "./listTasks.ts";
export * from "./prepareOrder.ts";
export * from "./progressOf.ts";
export * from "./quote.ts";
export * from "./readStanding.ts";
export * from "./requestCancellation.ts";
export * from "./searchTaskEvents.ts";
export * from "./sendSecrets.ts";
export * from "./standing.ts";
export * from "./streamTask.ts";
export type { Task } from "./Task.ts";
export type { RecordedOrder, TaskOrder } from "./TaskOrder.ts";
export {
  type EventPosition,
  fetchTaskEvents,
  type Settlement,
  type TaskEvent,
  type TaskEventBody,
  type TaskHistoryParameters,
} from "./taskEvents.ts";
export * from "./uploadDataset.ts";
export * from "./waitForStep.ts";
export * from "./workUnits.ts";
