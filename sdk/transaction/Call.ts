/**
 * A contract call that has been built and not sent. Verbs that change the chain return one, so that a command can
 * send it, show it (`--dry-run`) or hand it to the provider's single nonce lane.
 */
export interface Call {
  /** Name of the Solidity function. */
  readonly verb: string;
  readonly to: string;
  readonly data: string;
  /** Neuron sent along. */
  readonly value: bigint;
}
