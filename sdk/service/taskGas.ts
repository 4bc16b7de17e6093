/**
 * Upper bounds on the gas of a provider's steps, including a margin over the estimate. The last step is `finalize`, or
 * `lapse` instead.
 */
export const TASK_GAS = {
  accept: 90_000n,
  deliver: 120_000n,
  reveal: 70_000n,
  finalize: 130_000n,
} as const;

/** Gas for a task from acceptance to payment. */
export const GAS_PER_TASK: bigint = Object.values(TASK_GAS).reduce((sum, gas) => sum + gas, 0n);
