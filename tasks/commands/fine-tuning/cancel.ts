import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../../../sdk/client.ts";
import { ProtocolError } from "../../../sdk/errors.ts";
import { formatTaskId } from "../../../sdk/ids.ts";
import { getService } from "../../../sdk/service/getService.ts";
import { fetchCancellation } from "../../../sdk/task/fetchCancellation.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import { readStanding } from "../../../sdk/task/readStanding.ts";
import { requestCancellation } from "../../../sdk/task/requestCancellation.ts";
import type { Task } from "../../../sdk/task/Task.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import { cancel } from "../../flows/cancel.ts";
import { findOwnTask } from "../../flows/findTask.ts";
import type { SendingFlags } from "../../flows/submit.ts";
import type { Terminal } from "../../terminal/Terminal.ts";

interface Flags extends SendingFlags {
  readonly id: string;
  readonly yes: boolean;
}

/** Seconds within which a provider should settle after the user's consent. */
const TIMEOUT_SECONDS = 60;

/**
 * Cancels a task that its provider has not accepted yet, stops a running one for its cost so far, or claims the money
 * after a missed deadline.
 */
export default (async (flags, terminal, environment) => {
  const client = await environment.signer("user");
  const task = await findOwnTask(client, flags.id);
  const standing = await readStanding(client, task);
  if (task.state !== "Accepted" || standing.next === "claim") {
    return cancel(client, task, standing, flags, terminal, environment);
  }
  const document = await stop(client, task, flags, terminal);
  if (!flags.dryRun) terminal.next(environment.command("retrieve-fund"));
  return document;
}) satisfies Command<Flags>;

/**
 * The provider names the amount due so far; the user's signature on it allows the provider to settle for exactly that
 * amount.
 */
async function stop(client: Client, task: Task, { yes, dryRun }: Flags, terminal: Terminal) {
  const service = await getService(client, task);
  const { amount, fee } = await fetchCancellation(client, { service, id: task.id });
  const id = formatTaskId(task.id);
  const price = `Stopping task ${id} now costs ${formatOg(amount)} OG of its fee of ${formatOg(fee)} OG.`;
  if (dryRun) {
    terminal.say(`${price} Nothing was sent.`);
    return { dryRun, id, amount, fee };
  }
  if (yes) terminal.say(price);
  else if (!(await terminal.confirm(`${price} Stop it?`))) throw notConfirmedError(id);
  await requestCancellation(client, { service, id: task.id, amount });
  const isSettled = await waitUntilSettled(client, task);
  terminal.say(
    isSettled
      ? `Stopped task ${id}. The rest of its fee is free in the sub-account again.`
      : `The provider has your consent and settles task ${id} as soon as it can.`,
  );
  return { dryRun, id, amount, fee, settled: isSettled };
}

async function waitUntilSettled(client: Client, { id }: Task): Promise<boolean> {
  for (let second = 0; second < TIMEOUT_SECONDS; second++) {
    if ((await getTask(client, { id })).state !== "Accepted") return true;
    await sleep(1_000);
  }
  return false;
}

const notConfirmedError = (id: string) =>
  new ProtocolError("declined", `Task ${id} continues.`, "Nothing was agreed and nothing is due.");
