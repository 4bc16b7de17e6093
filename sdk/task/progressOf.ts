import type { TaskState } from "../taskStates.ts";

/** The ten words in which users are told where a task stands. */
export const PROGRESS = [
  "Init",
  "SettingUp",
  "SetUp",
  "Training",
  "Trained",
  "Delivering",
  "Delivered",
  "UserAcknowledged",
  "Finished",
  "Failed",
] as const;

export type Progress = (typeof PROGRESS)[number];

const BY_STATE: Record<TaskState, Progress> = {
  Created: "Init",
  Accepted: "SettingUp", // the chain says no more; the provider's API tells SettingUp to Delivering apart
  Delivered: "Delivered",
  Acknowledged: "UserAcknowledged",
  Revealed: "Finished",
  Settled: "Finished",
  Cancelled: "Failed",
  Failed: "Failed",
  Expired: "Failed",
  Lapsed: "Failed",
  Slashed: "Failed",
};

/**
 * The word for a state on chain.
 * @example progressOf("Revealed"); // "Finished"
 */
export function progressOf(state: TaskState): Progress {
  return BY_STATE[state];
}
