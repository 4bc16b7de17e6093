import type { Client } from "../client.ts";
import { readChain } from "../transaction/readChain.ts";

/**
 * Reads for how long money that returns from a sub-account to the main account is locked.
 * @returns seconds, fixed at deployment.
 * @throws ProtocolError "network" if the chain does not answer.
 * @example const hours = (await getLockPeriod(client)) / 3_600;
 */
export async function getLockPeriod(client: Client): Promise<number> {
  return Number(await readChain(client, () => client.ledger.lockPeriod()));
}
