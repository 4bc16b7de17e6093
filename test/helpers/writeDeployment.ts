import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Deployment } from "../../sdk/deployment.ts";

/** Writes what readDeployment reads about two contracts, as `hardhat deploy` leaves it. */
export function writeDeployment(
  directory: string,
  { chainId, ledger, serving }: Pick<Deployment, "chainId" | "ledger" | "serving">,
): void {
  mkdirSync(directory, { recursive: true });
  const files = {
    ".chain": { chainId: `${chainId}` },
    "Ledger.json": ledger,
    "FineTuningServing.json": serving,
  };
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(directory, name), JSON.stringify(content));
}
