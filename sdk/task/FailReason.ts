/** Why a provider failed a task, in the order of the Solidity enum `FailReason`. */
export const FAIL_REASONS = [
  "Unspecified",
  "DatasetUnavailable",
  "DatasetLargerThanDeclared",
  "DatasetInvalid",
  "ConfigInvalid",
  "ModelUnknown",
  "KeyMismatch",
  "OutOfMemory",
  "TrainingError",
  "ProviderBusy",
] as const;

export type FailReason = (typeof FAIL_REASONS)[number];
