import { type Interface, ZeroAddress, zeroPadBytes } from "ethers";
import type { Client } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import type { Ask } from "../rpc/FailoverProvider.ts";
import { taskIdOf } from "../taskIdOf.ts";
import { decodeRevert } from "./decodeRevert.ts";

/** Nobody's task: its id depends on the chain and the contract alone. */
const PROBE = { user: ZeroAddress, provider: ZeroAddress, nonce: 0n };

/**
 * Checks that the RPC endpoint serves the chain of the deployment and that the contracts exist there, by one request
 * for an id that depends on both.
 * @param ask sends a request
 * @throws ProtocolError "network" if it serves another chain, "not-found" if the contracts are missing.
 */
export async function checkNetwork(
  client: Client,
  ask: Ask = (method, params) => client.provider.send(method, params),
): Promise<void> {
  try {
    const id = await ask("eth_call", [idOfProbe(client), "latest"]);
    if (id === zeroPadBytes(taskIdOf(client, PROBE), 32)) return;
    const chainId = Number(await ask("eth_chainId", []));
    throw chainId === client.chainId ? noContractError(client) : otherChainError(client, chainId);
  } catch (error) {
    throw decodeRevert(client, error);
  }
}

function idOfProbe({ serving, servingAddress: to }: Client) {
  const abi = serving.interface as unknown as Interface;
  return { to, data: abi.encodeFunctionData("taskIdOf", Object.values(PROBE)) };
}

function otherChainError(client: Client, chainId: number): ProtocolError {
  return new ProtocolError(
    "network",
    `The RPC endpoint serves chain ${chainId}, but the contracts are on chain ${client.chainId}.`,
    "Use an endpoint of the chain that the contracts are on.",
    { next: { setting: "chain" } },
  );
}

function noContractError({ chainId }: Client): ProtocolError {
  return new ProtocolError(
    "not-found",
    `The contracts are not deployed on chain ${chainId} at this RPC endpoint.`,
    "Use another endpoint or another deployment, or deploy the contracts first.",
    { next: { setting: "deployment" } },
  );
}
