import type { TaskState } from "../taskStates.ts";

/** The ten states of a task that users see. */
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
  Accepted: "SettingUp", // the chain has no finer states; the provider's API distinguishes SettingUp to Delivering
  Delivered: "Delivered",
  Demanded: "Delivered",
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
 * Maps a state on chain to the state that users see.
 * @example progressOf("Revealed"); // "Finished"
 */
export function progressOf(state: TaskState): Progress {
  return BY_STATE[state];
}
