import { basename, dirname, join } from "node:path";
import { ProtocolError } from "../sdk/errors.ts";
import { config } from "./_rocketh.ts";

/**
 * The folder that has a folder for each network. ANNEAL_DEPLOYMENTS sets the folder of one network, so that two local
 * networks can run at the same time.
 */
export function deploymentsFolder(network: string): string {
  const chosen = process.env.ANNEAL_DEPLOYMENTS;
  if (!chosen) return config.deployments;
  if (basename(chosen) === network) return dirname(chosen);
  throw new ProtocolError(
    "usage",
    `ANNEAL_DEPLOYMENTS is ${chosen}, which does not end in the network's name, ${network}.`,
    `Set it to a folder named ${network}, or unset it to use deployments/${network}.`,
  );
}

/** The folder of one network. */
export const deploymentFolder = (network: string): string =>
  join(deploymentsFolder(network), network);
