import type { Client } from "../client.ts";
import { readGasPrice, totalPrice } from "../transaction/gasPrice.ts";
import { readChain } from "../transaction/readChain.ts";
import { GAS_PER_TASK } from "./taskGas.ts";

/** The gas budget of a provider's operator. */
export interface GasMoney {
  /** Neuron in the operator's wallet, outside the Ledger. */
  readonly balance: bigint;
  /** Neuron per unit of gas at the moment. */
  readonly gasPrice: bigint;
  /** Lower bound on the tasks, from acceptance to payment, that it pays for at this price; null if gas is free. */
  readonly tasks: bigint | null;
}

export interface GetGasMoneyParameters {
  /** Address of the provider's operator. */
  readonly operator: string;
}

/**
 * Reads how much a provider's operator can pay for gas, and for how many tasks that is enough.
 * @throws ProtocolError "network" if the chain does not answer.
 * @example const { balance, tasks } = await getGasMoney(client, { operator: service.operator });
 */
export async function getGasMoney(
  client: Client,
  { operator }: GetGasMoneyParameters,
): Promise<GasMoney> {
  const [balance, price] = await Promise.all([
    readChain(client, () => client.provider.getBalance(operator)),
    readGasPrice(client),
  ]);
  const gasPrice = totalPrice(price);
  return { balance, gasPrice, tasks: gasPrice > 0n ? balance / (gasPrice * GAS_PER_TASK) : null };
}
