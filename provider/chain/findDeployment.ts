import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type Deployment, readDeployment } from "../../sdk/deployment.ts";
import { deployments, publishedDeployment } from "../../sdk/deployments.ts";
import { FailoverProvider, readRpcUrls } from "../../sdk/rpc/FailoverProvider.ts";
import { type Asking, awaitAnswer } from "./awaitAnswer.ts";

const LOCAL_DEPLOYMENT = "deployments/localhost";

/**
 * The deployment in the chosen folder, or else that of the local network, or else the public one on the endpoint's
 * chain. The chain is asked only for the last.
 * @throws ProtocolError "not-found" if there is none; the signal's reason if `signal` aborts.
 */
export async function findDeployment(
  { deploymentDirectory, rpcUrl }: { deploymentDirectory: string | undefined; rpcUrl: string },
  asking: Asking,
): Promise<Deployment> {
  if (deploymentDirectory !== undefined) return readDeployment(deploymentDirectory);
  const local = resolve(LOCAL_DEPLOYMENT);
  if (existsSync(local) || Object.keys(deployments).length === 0) return readDeployment(local);
  const provider = new FailoverProvider(readRpcUrls(rpcUrl), 0); // only asks for the chain's id
  try {
    return publishedDeployment(
      Number(await awaitAnswer(() => provider.send("eth_chainId", []), asking)),
    );
  } finally {
    provider.destroy();
  }
}
