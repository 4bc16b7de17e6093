/** The states of a task, in the order of the Solidity enum `TaskState` after None. */
export const TASK_STATES = [
  "Created",
  "Accepted",
  "Delivered",
  "Demanded",
  "Acknowledged",
  "Revealed",
  "Settled",
  "Cancelled",
  "Failed",
  "Expired",
  "Lapsed",
  "Slashed",
] as const;

export type TaskState = (typeof TASK_STATES)[number];

/** The states of a task whose delivery its user has not acknowledged, but can. */
export const UNACKNOWLEDGED: ReadonlySet<TaskState> = new Set(["Delivered", "Demanded", "Lapsed"]);
