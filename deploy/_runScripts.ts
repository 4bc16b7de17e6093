import { executeDeployScriptsFromFiles } from "@rocketh/node";
import type { EthereumProvider } from "hardhat/types/providers";
import { config } from "./_rocketh.ts";

/** The environment in which the numbered scripts run. */
export interface Stage {
  readonly provider: Pick<EthereumProvider, "request">;
  /** Name of the network, and of the folder in `deployments` that the deployment is read from and written to. */
  readonly network: string;
  readonly deployments: string;
  /** Whether the folder is written. */
  readonly save: boolean;
  /** Run only the scripts with one of these tags, and their dependencies; empty for all. */
  readonly tags: readonly string[];
}

/** Runs the numbered scripts of this folder. A contract deployed with the same code and arguments is left alone. */
export const runScripts = ({ provider, network, deployments, save, tags }: Stage) =>
  executeDeployScriptsFromFiles(
    { ...config, deployments },
    {
      provider: provider as never, // rocketh types the same EIP-1193 interface more narrowly
      environment: network,
      saveDeployments: save,
      askBeforeProceeding: false,
      tags: [...tags],
    },
  );
