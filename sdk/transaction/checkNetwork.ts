import { ZeroAddress } from "ethers";
import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { taskIdOf } from "../taskIdOf.ts";
import { readChain } from "./readChain.ts";

/** Nobody's task: its id depends on the chain and the contract alone. */
const NOBODYS = { user: ZeroAddress, provider: ZeroAddress, nonce: 0n };

/**
 * Checks that the RPC endpoint serves the chain of the deployment and that the contracts exist there, by one request
 * for an id that depends on both.
 * @throws ProtocolError "network" if it serves another chain, "not-found" if the contracts are missing.
 */
export async function checkNetwork(client: Client): Promise<void> {
  const { user, provider, nonce } = NOBODYS;
  const failure = await readChain(client, () =>
    client.serving.taskIdOf(user, provider, nonce),
  ).then(
    (id) => (id === taskIdOf(client, NOBODYS) ? null : otherContractError(client)),
    (error: ProtocolError) => error,
  );
  if (failure === null) return;
  if (failure.code === "network") throw failure;
  const chainId = Number(await readChain(client, () => client.provider.send("eth_chainId", [])));
  if (chainId === client.chainId) throw failure;
  throw new ProtocolError(
    "network",
    `The RPC endpoint serves chain ${chainId}, but the contracts are on chain ${client.chainId}.`,
    "Use an endpoint of the chain that the contracts are on.",
    { next: { setting: "chain" } },
  );
}

function otherContractError({ servingAddress }: Client): ProtocolError {
  return new ProtocolError(
    "not-found",
    `The contract at ${servingAddress} is not the one that the deployment names.`,
    "Use another endpoint or another deployment.",
    { next: { setting: "deployment" } },
  );
}
