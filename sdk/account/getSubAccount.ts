import type { Client } from "../client.ts";
import type { Root, TaskId } from "../ids.ts";
import { listTasks } from "../task/listTasks.ts";
import type { Task } from "../task/Task.ts";
import { fetchTaskEvents } from "../task/taskEvents.ts";
import { UNACKNOWLEDGED } from "../taskStates.ts";
import { latestBlock } from "../transaction/latestBlock.ts";
import { readChain } from "../transaction/readChain.ts";
import { type ReturnRequest, readReturns, secondsUntil } from "./readReturns.ts";
import { readSubAccount, type SubAccountSummary } from "./SubAccount.ts";

/** A model that the provider has delivered. */
export interface Deliverable {
  readonly taskId: TaskId;
  readonly root: Root;
  /** Whether the user has acknowledged the download. */
  readonly confirmed: boolean;
}

/** An amount that is being returned to the main account, and how long that takes. */
export interface PendingReturn extends ReturnRequest {
  /** Seconds until it can be claimed by the chain's clock; 0 if it can. */
  readonly secondsLeft: number;
}

/** A sub-account with its return requests and deliverables. */
export interface SubAccount extends SubAccountSummary {
  /** Oldest first. */
  readonly requests: readonly PendingReturn[];
  /** Oldest task first. */
  readonly deliverables: readonly Deliverable[];
}

export interface GetSubAccountParameters {
  /** Address of the account. */
  readonly account: string;
  /** Address of the provider that the sub-account is for. */
  readonly provider: string;
}

/**
 * Reads a sub-account with its return requests and deliverables. A sub-account that was never used reads as zeros.
 * @throws ProtocolError "network" if the chain does not answer.
 * @example const { free, requests } = await getSubAccount(client, { account: user, provider });
 */
export async function getSubAccount(
  client: Client,
  { account, provider }: GetSubAccountParameters,
): Promise<SubAccount> {
  return readChain(client, async () => {
    const { number: blockTag, timestamp: now } = await latestBlock(client);
    const [summary, requests, tasks] = await Promise.all([
      readSubAccount(client, { account, provider, blockTag }),
      readReturns(client, { account, provider, blockTag }),
      listTasks(client, { user: account, provider }),
    ]);
    return {
      ...summary,
      requests: requests.map((request) => ({
        ...request,
        secondsLeft: secondsUntil(request, now),
      })),
      deliverables: (await Promise.all(tasks.map((task) => readDeliverable(client, task)))).flat(),
    };
  });
}

/** Only a delivery sets the root. */
async function readDeliverable(client: Client, task: Task): Promise<Deliverable[]> {
  const { id, root } = task;
  return root === null ? [] : [{ taskId: id, root, confirmed: await isConfirmed(client, task) }];
}

/** A task that expired after a demand, whether acknowledged or not, says so only in its events. */
async function isConfirmed(client: Client, task: Task): Promise<boolean> {
  if (task.state !== "Expired" || task.demands === 0) return !UNACKNOWLEDGED.has(task.state);
  const events = await fetchTaskEvents(client, task);
  return events.some(({ name }) => name === "TaskAcknowledged");
}
