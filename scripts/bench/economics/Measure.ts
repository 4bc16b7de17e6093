/** The result of a simulation of the market. */
export interface Measure {
  /** What the JSON document has under the measure's name. */
  readonly value: unknown;
  /** Whether what the design promises holds in every run. */
  readonly holds: boolean;
  /** One sentence for people. */
  readonly summary: string;
}
