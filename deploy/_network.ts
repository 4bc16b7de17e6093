import { SigningKey } from "ethers";
import type { HardhatRuntimeEnvironment } from "hardhat/types/hre";
import { ProtocolError } from "../sdk/errors.ts";
import { type Environment, LOCAL } from "../tasks/Environment.ts";
import { createEnvironment } from "../tasks/hardhat/environment.ts";

/**
 * The network of --network. Without one, Hardhat would deploy to a chain in memory, which ends with the command.
 * @throws ProtocolError "usage" unless a network with an RPC endpoint is chosen.
 */
export function chosenNetwork(hre: HardhatRuntimeEnvironment): Environment {
  if (hre.globalOptions.network !== undefined) return createEnvironment(hre);
  throw new ProtocolError(
    "usage",
    "No network is chosen, so nothing was deployed.",
    `Choose one: npx hardhat deploy --network ${LOCAL}, testnet or mainnet.`,
  );
}

/**
 * Checks the deployer's key before Hardhat reads it.
 * @throws ProtocolError "usage" if the network has no accounts of its own, and there is no valid key.
 */
export async function requireDeployerKey({ network, secret, keepSecret }: Environment) {
  if (network === LOCAL) return;
  const key = await secret("ZG_PRIVATE_KEY");
  const store = `Set ZG_PRIVATE_KEY, or store it with: ${keepSecret("ZG_PRIVATE_KEY")}.`;
  if (!key) throw new ProtocolError("usage", "The deployer's private key is not set.", store);
  if (isKey(key)) return;
  throw new ProtocolError("usage", "ZG_PRIVATE_KEY is not 32 bytes in hexadecimal.", store);
}

function isKey(text: string): boolean {
  try {
    return new SigningKey(text.startsWith("0x") ? text : `0x${text}`).publicKey !== "";
  } catch {
    return false;
  }
}
