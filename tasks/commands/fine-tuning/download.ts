import type { Command } from "../../definition.ts";
import { readInteger, readTimeout } from "../../flags/readFlags.ts";
import { fetchModel } from "../../flows/fetchModel.ts";
import { fetchWhenDelivered } from "../../flows/fetchWhenDelivered.ts";
import { findOwnTask } from "../../flows/findTask.ts";
import type { ReceivingFlags } from "../../flows/receiveDelivery.ts";
import { readTaskKey } from "../../flows/taskKey.ts";

interface Flags extends ReceivingFlags {
  readonly id: string;
  readonly output: string | undefined;
  readonly step: string | undefined;
  readonly timeout: string | undefined;
  readonly taskKey: string | undefined;
  readonly force: boolean;
}

/** With --timeout, waits for the delivery. Downloads, decrypts, verifies and confirms a model, and writes it in its final format. */
export default (async (flags, terminal, environment) => {
  const wanted = {
    output: flags.output,
    step: readStep(flags.step),
    timeout: readTimeout(flags.timeout),
    force: flags.force,
    taskKey: await readTaskKey(flags.taskKey),
  };
  const client = await environment.signer("user");
  const setting = { client, flags, terminal, environment };
  const task = await findOwnTask(client, flags.id);
  const isRunning = task.state === "Created" || task.state === "Accepted";
  return isRunning && wanted.timeout !== undefined && !flags.dryRun
    ? fetchWhenDelivered(setting, task, wanted)
    : fetchModel(setting, task, wanted);
}) satisfies Command<Flags>;

/** -1 means the latest weights. */
function readStep(step: string | undefined): number | null {
  return step === undefined || step === "-1" ? null : Number(readInteger(step, "--step"));
}
