import type { Client } from "../../sdk/client.ts";
import { expire } from "../../sdk/deliverable/calls.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import { cancelTask } from "../../sdk/task/calls.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { claimOf } from "../../sdk/task/standing.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { formatOg } from "../../sdk/units.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { type SendingFlags, submit } from "./submit.ts";

/**
 * Ends a task that was not accepted in time, or whose provider missed a deadline: the fee is released, and the user
 * gets a part of the bond. Anyone may do so, so the task may already have ended.
 */
export async function claim(client: Client, task: Task, flags: SendingFlags, terminal: Terminal) {
  const id = formatTaskId(task.id);
  const { fee, bond } = claimOf(task);
  const [call, end] =
    task.state === "Created"
      ? [cancelTask(client, task), "Cancelled"]
      : [expire(client, task), "Expired"];
  const result = await submit(client, call, { id }, flags, terminal).catch(async (error) => {
    const { state } = await getTask(client, task);
    if (state !== end) throw error;
    return { dryRun: false as const, transaction: null };
  });
  if (result.dryRun) return result;
  const compensation =
    bond === 0n ? "" : `, and ${formatOg(bond)} OG of the provider's bond are in your account`;
  terminal.say(
    `Claimed for task ${id}: ${formatOg(fee)} OG of its fee are free in the sub-account again${compensation}.`,
  );
  return { ...result, id, fee, compensation: bond };
}
