import type { Client } from "../../sdk/client.ts";
import { acknowledge } from "../../sdk/deliverable/calls.ts";
import {
  prepareAcknowledgement,
  type Unacknowledged,
} from "../../sdk/deliverable/prepareAcknowledgement.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { fundReservation } from "./fundReservation.ts";
import { type SendingFlags, submit } from "./submit.ts";

/** Acknowledges a model; with --dry-run, shows the first call that this takes. */
export async function acknowledgeTask(
  client: Client,
  task: Unacknowledged,
  flags: SendingFlags,
  terminal: Terminal,
) {
  const id = formatTaskId(task.id);
  const { root } = task;
  for await (const step of prepareAcknowledgement(client, task)) {
    const sent =
      step.name === "lapse"
        ? await submit(client, step.call, { id }, flags, terminal)
        : await fundReservation(client, [step], flags, terminal);
    // Until then, an acknowledgement reverts and cannot be estimated.
    if (sent?.dryRun) return { ...sent, followedBy: { verb: "acknowledge", root } };
  }
  return submit(client, acknowledge(client, task), { id, root }, flags, terminal);
}
