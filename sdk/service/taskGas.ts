/** Most chunks of a delivery that its user may demand, as FineTuningServing.MAX_DEMANDS. */
export const MAX_DEMANDS = 3n;

/**
 * Upper bounds on the gas of a provider's steps, including a margin over the estimate. The last step is `finalize`, or
 * `lapse` instead.
 */
export const TASK_GAS = {
  accept: 90_000n,
  deliver: 120_000n,
  answer: 120_000n,
  reveal: 70_000n,
  finalize: 130_000n,
} as const;

const { accept, deliver, answer, reveal, finalize } = TASK_GAS;

/** Gas for a task from acceptance to payment whose user demands as many chunks as possible. */
export const GAS_PER_TASK: bigint = accept + deliver + MAX_DEMANDS * answer + reveal + finalize;
