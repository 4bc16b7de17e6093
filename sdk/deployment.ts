import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { InterfaceAbi } from "ethers";
import { z } from "zod";
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
  /** 0G Storage's Flow contract, if it was deployed with the two: on the local network. */
  readonly flow?: DeployedContract | undefined;
  /** Block in which the older of the two was deployed; searches for events start here. */
  readonly blockNumber: number;
}

const ChainFile = z.object({ chainId: z.coerce.number().int().positive() });

const ContractFile = z.object({
  address: z.string().regex(/^0x[0-9a-fA-F]{40}$/),
  abi: z.array(z.unknown()),
  receipt: z.object({ blockNumber: z.coerce.number().int().nonnegative() }).optional(),
});

/**
 * Reads `deployments/<network>`.
 * @throws ProtocolError "not-found" if nothing is deployed there.
 * @example const { chainId, serving } = await readDeployment("deployments/localhost");
 */
export async function readDeployment(directory: string): Promise<Deployment> {
  const read = async <T>(name: string, schema: z.ZodType<T>) =>
    schema.parse(JSON.parse(await readFile(join(directory, name), "utf8")));
  try {
    const [{ chainId }, ledger, serving, flow] = await Promise.all([
      read(".chain", ChainFile),
      read("Ledger.json", ContractFile),
      read("FineTuningServing.json", ContractFile),
      read("Flow.json", ContractFile).catch(ifMissing),
    ]);
    return {
      chainId,
      ledger: asContract(ledger),
      serving: asContract(serving),
      flow: flow && asContract(flow),
      blockNumber: ledger.receipt?.blockNumber ?? 0, // the Ledger is deployed first
    };
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new ProtocolError(
      "not-found",
      isMissing
        ? `There is no deployment in ${directory}.`
        : `The deployment in ${directory} is damaged.`,
      "Use another deployment, or deploy the contracts first.",
      { cause, next: { setting: "deployment" } },
    );
  }
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

const asContract = ({ address, abi }: z.infer<typeof ContractFile>): DeployedContract => ({
  address,
  abi: abi as InterfaceAbi,
});
