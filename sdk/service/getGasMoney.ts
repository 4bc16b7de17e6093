import type { Client } from "../client.ts";
import { readGasPrice, totalPrice } from "../transaction/gasPrice.ts";
import { readChain } from "../transaction/readChain.ts";
import { GAS_PER_TASK } from "./taskGas.ts";

/** What a provider's wallet holds for the gas of its transactions. */
export interface GasMoney {
  /** Neuron in the wallet, outside the Ledger. */
  readonly balance: bigint;
  /** Neuron per unit of gas, at the moment. */
  readonly gasPrice: bigint;
  /** Tasks from acceptance to payment that it lasts for at this price, at least; null where gas is free. */
  readonly tasks: bigint | null;
}

export interface GetGasMoneyParameters {
  /** Address of the provider. */
  readonly provider: string;
}

/**
 * Reads what a provider can pay for gas, and how far that goes.
 * @throws ProtocolError "network" if the chain does not answer.
 * @example const { balance, tasks } = await getGasMoney(client, { provider });
 */
export async function getGasMoney(
  client: Client,
  { provider }: GetGasMoneyParameters,
): Promise<GasMoney> {
  const [balance, price] = await Promise.all([
    readChain(client, () => client.provider.getBalance(provider)),
    readGasPrice(client),
  ]);
  const gasPrice = totalPrice(price);
  return { balance, gasPrice, tasks: gasPrice > 0n ? balance / (gasPrice * GAS_PER_TASK) : null };
}
