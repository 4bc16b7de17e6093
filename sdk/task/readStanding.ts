import type { Client } from "../client.ts";
import { latestBlock } from "../transaction/latestBlock.ts";
import { type Standing, type StandingTask, standingOf } from "./standing.ts";

/**
 * What the state of a task means to its user, as of the newest block.
 * @throws ProtocolError "network" if the chain does not answer.
 * @example const { meaning, next } = await readStanding(client, await getTask(client, { id }));
 */
export async function readStanding(client: Client, task: StandingTask): Promise<Standing> {
  return standingOf(task, (await latestBlock(client)).timestamp);
}
