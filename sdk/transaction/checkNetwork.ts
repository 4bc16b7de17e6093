import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { readChain } from "./readChain.ts";

/**
 * Checks that the RPC endpoint serves the chain on which the contracts are deployed, and has them.
 * @throws ProtocolError "network" when it serves another one, "not-found" when it lacks the contracts.
 */
export async function checkNetwork(client: Client): Promise<void> {
  const chainId = Number(await readChain(client, () => client.provider.send("eth_chainId", [])));
  if (chainId !== client.chainId) {
    throw new ProtocolError(
      "network",
      `The RPC endpoint serves chain ${chainId}, and the contracts are on chain ${client.chainId}.`,
      "Use an endpoint of the chain that the contracts are on.",
      { next: { setting: "chain" } },
    );
  }
  await readChain(client, () => client.serving.ledger());
}
