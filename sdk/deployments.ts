import type { Deployment } from "./deployment.ts";

/**
 * The contracts by chain id, where somebody has deployed them for everybody. A network that a project names itself comes
 * first. There is none yet: readDeployment reads what `hardhat deploy` has written.
 */
export const deployments: Readonly<Record<number, Deployment>> = {};
