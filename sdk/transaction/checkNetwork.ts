import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { readChain } from "./readChain.ts";

/**
 * Checks that the RPC endpoint serves the chain of the deployment and that the contracts exist there.
 * @throws ProtocolError "network" if it serves another chain, "not-found" if the contracts are missing.
 */
export async function checkNetwork(client: Client): Promise<void> {
  const chainId = Number(await readChain(client, () => client.provider.send("eth_chainId", [])));
  if (chainId !== client.chainId) {
    throw new ProtocolError(
      "network",
      `The RPC endpoint serves chain ${chainId}, but the contracts are on chain ${client.chainId}.`,
      "Use an endpoint of the chain that the contracts are on.",
      { next: { setting: "chain" } },
    );
  }
  await readChain(client, () => client.serving.ledger());
}
