import type { Deployment } from "./deployment.ts";
import published from "./deployments.json" with { type: "json" };
import { ProtocolError } from "./errors.ts";

/** Public deployments by chain id, as `hardhat deploy` adds them: they travel with the package. */
export const deployments: Readonly<Record<number, Deployment>> = published as object as Record<
  number,
  Deployment
>;

/**
 * The public deployment on a chain.
 * @throws ProtocolError "not-found" if this version knows none.
 * @example const { serving } = publishedDeployment(16602);
 */
export function publishedDeployment(chainId: number): Deployment {
  const deployment = deployments[chainId];
  if (deployment) return deployment;
  throw new ProtocolError(
    "not-found",
    `There is no deployment on chain ${chainId} that this version knows.`,
    "Use the folder of a deployment that you were given, or deploy the contracts first.",
    { next: { setting: "deployment" } },
  );
}
