import { readFile, writeFile } from "node:fs/promises";
import { readDeployment } from "../sdk/deployment.ts";
import { writeAtomically } from "../sdk/storage/files/publishFile.ts";

/** The deployments that travel with the package, by chain id. */
export const PUBLISHED = "sdk/deployments.json";

/**
 * Adds a deployment to those that travel with the package, in place of another one on its chain.
 * @returns whether the file changed.
 */
export async function publish(folder: string): Promise<boolean> {
  const deployment = await readDeployment(folder);
  const before = await readFile(PUBLISHED, "utf8");
  const all = { ...JSON.parse(before), [deployment.chainId]: deployment };
  const after = `${JSON.stringify(all, null, 2)}\n`;
  if (after === before) return false;
  await writeAtomically(PUBLISHED, (temporary) => writeFile(temporary, after));
  return true;
}
