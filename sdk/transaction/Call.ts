/**
 * A contract call that is built but not sent. Verbs that change the chain return one, so that a command can send or
 * show it (`--dry-run`), and the provider can queue it under its single nonce.
 */
export interface Call {
  /** Name of the Solidity function. */
  readonly verb: string;
  readonly to: string;
  readonly data: string;
  /** Neuron sent with the call. */
  readonly value: bigint;
}
