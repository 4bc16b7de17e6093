/**
 * Units of gas that a provider's steps take at most, with what a transaction may use more than its estimate. The last
 * step is `finalize`, or `lapse` in its place.
 */
export const TASK_GAS = {
  accept: 90_000n,
  deliver: 120_000n,
  reveal: 70_000n,
  finalize: 130_000n,
} as const;

/** Of a task from acceptance to payment. */
export const GAS_PER_TASK: bigint = Object.values(TASK_GAS).reduce((sum, gas) => sum + gas, 0n);
