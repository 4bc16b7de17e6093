import type { Deployment } from "./deployment.ts";

/**
 * Public deployments by chain id. A network that a project configures itself takes precedence. There are none yet:
 * readDeployment reads what `hardhat deploy` has written.
 */
export const deployments: Readonly<Record<number, Deployment>> = {};
