import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { InterfaceAbi } from "ethers";
import { ProtocolError } from "./errors.ts";

/** One deployed contract, as hardhat-deploy writes it to `deployments/<network>/<Name>.json`. */
export interface DeployedContract {
  readonly address: string;
  readonly abi: InterfaceAbi;
}

/** The pair of contracts on one network. */
export interface Deployment {
  readonly chainId: number;
  readonly ledger: DeployedContract;
  readonly serving: DeployedContract;
}

/**
 * Reads `deployments/<network>`.
 * @throws ProtocolError "not-found" when nothing is deployed there.
 */
export async function readDeployment(directory: string): Promise<Deployment> {
  try {
    const read = async (name: string) => JSON.parse(await readFile(join(directory, name), "utf8"));
    const [chain, ledger, serving] = await Promise.all([
      read(".chain"),
      read("Ledger.json"),
      read("FineTuningServing.json"),
    ]);
    return { chainId: Number(chain.chainId), ledger, serving };
  } catch (cause) {
    throw new ProtocolError(
      "not-found",
      `There is no deployment in ${directory}.`,
      "Deploy the contracts first: npx hardhat deploy --network <name>.",
      { cause },
    );
  }
}
