import type { Client } from "../../sdk/client.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import type { Secrets } from "../../sdk/exchange/secrets.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import type { OwnOrder } from "../../sdk/order/findOwnOrder.ts";
import { blockTimes } from "../../sdk/transaction/blockTimes.ts";
import { latestBlock } from "../../sdk/transaction/latestBlock.ts";
import type { Environment } from "../Environment.ts";
import { formatDuration } from "../terminal/formatDuration.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { sendApiTokens } from "./sendApiTokens.ts";

/** The context of a command that continues with a task instead of ordering it. */
interface Setting {
  readonly client: Client;
  readonly terminal: Terminal;
  readonly environment: Environment;
}

/**
 * Continues with a task that was ordered before, and reports that. API tokens that may not have reached the provider
 * are sent again.
 * @throws ProtocolError "task-failed-by-provider" if only its money is left to claim.
 */
export async function continueTask(
  { client, terminal, environment }: Setting,
  { task, service, standing, blockNumber }: OwnOrder,
  secrets: Secrets,
  { dryRun }: { readonly dryRun: boolean },
) {
  const id = formatTaskId(task.id);
  const found = `You ordered exactly this ${await ageOf(client, blockNumber)} (task ${id})`;
  if (standing.next === "claim")
    throw unclaimedMoneyError(`${found}. ${standing.meaning}`, id, environment);
  terminal.say(
    standing.progress === "Finished"
      ? `${found}, and its model is ready: nothing is ordered. To order it again, add --again.`
      : `${found}: continuing with it. Nothing is ordered or paid again.`,
  );
  const isRunning = task.state === "Created" || task.state === "Accepted";
  if (isRunning && !dryRun)
    await sendApiTokens(client, { service, id: task.id, secrets }, terminal);
  const { provider, fee } = task;
  return { dryRun, continued: true as const, transaction: null, id, provider, fee };
}

/** The age of an order by the chain's clock, rounded to minutes if it is at least one. */
async function ageOf(client: Client, blockNumber: number): Promise<string> {
  const [times, { timestamp }] = await Promise.all([
    blockTimes(client, [blockNumber]),
    latestBlock(client),
  ]);
  const placedAt = times.get(blockNumber)?.getTime() ?? timestamp * 1_000;
  const seconds = timestamp - placedAt / 1_000;
  if (seconds < 1) return "just now";
  return `${formatDuration(seconds).replace(/(?<=min) \d+s$/, "")} ago`;
}

function unclaimedMoneyError(found: string, id: string, environment: Environment): ProtocolError {
  return new ProtocolError(
    "task-failed-by-provider",
    found,
    `Claim it: ${environment.command(`fine-tuning cancel ${id}`)}; then run this command again to order it again.`,
  );
}
