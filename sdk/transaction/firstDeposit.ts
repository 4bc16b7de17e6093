import { parseOg } from "../units.ts";

const LEAST = parseOg("0.1");

/** The deposit to suggest to a wallet without an account, which needs `amount`. Neuron. */
export const firstDeposit = (amount: bigint): bigint => (amount > LEAST ? amount : LEAST);
