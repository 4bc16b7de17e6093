import type { Client } from "../../sdk/client.ts";
import { proveMisbehaviour } from "../../sdk/deliverable/calls.ts";
import { findMisbehaviour } from "../../sdk/deliverable/findMisbehaviour.ts";
import { openDeliverable } from "../../sdk/deliverable/openDeliverable.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { PageMismatchError } from "../../sdk/exchange/PageMismatchError.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import type { Service } from "../../sdk/service/Service.ts";
import type { Task } from "../../sdk/task/Task.ts";
import { readTaskBlock } from "../../sdk/task/taskEvents.ts";
import { formatOg } from "../../sdk/units.ts";
import { OutcomeError } from "../terminal/OutcomeError.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { untilInterrupted } from "../terminal/untilInterrupted.ts";
import { type Planned, type SendingFlags, type Sent, submit } from "./submit.ts";

/** What is decrypted, to where; the task key if it was ordered with one, and the provider's service if it was read. */
interface Places {
  readonly service?: Service | null;
  readonly encryptedPath: string;
  readonly outputPath: string;
  readonly taskKey: Uint8Array | undefined;
}

/**
 * Decrypts a model and verifies every page; if one does not match, proves the provider's misbehaviour.
 * @throws OutcomeError "task-failed-by-provider" if that was proved.
 */
export async function openModel(
  client: Client & { readonly address: string },
  task: Task,
  { service = null, taskKey, encryptedPath, outputPath }: Places,
  flags: SendingFlags,
  terminal: Terminal,
): Promise<{ size: number }> {
  const stopped = new ProtocolError(
    "declined",
    "The decryption was interrupted; nothing was written.",
    "Run the same command again.",
  );
  return untilInterrupted(stopped, (signal) =>
    openDeliverable(client, { task, taskKey, service, encryptedPath, outputPath, signal }),
  ).catch((error) => {
    if (!(error instanceof PageMismatchError)) throw error;
    return dispute(client, task, error, { ...flags, encryptedPath, taskKey }, terminal);
  });
}

/**
 * Handles a page that does not match: if the provider is responsible, proves it on chain, which returns the money.
 * @throws OutcomeError "task-failed-by-provider" if that succeeded; ProtocolError "integrity" if it is not possible.
 */
async function dispute(
  client: Client & { readonly address: string },
  task: Task,
  { page, message }: PageMismatchError,
  { encryptedPath, taskKey, ...flags }: SendingFlags & Omit<Places, "outputPath">,
  terminal: Terminal,
): Promise<never> {
  terminal.say(message);
  const stopped = new ProtocolError(
    "declined",
    "The proof was interrupted; nothing was sent.",
    "Run the same command again before the dispute period ends.",
  );
  const proof = await untilInterrupted(stopped, (signal) =>
    findMisbehaviour(client, { task, taskKey, encryptedPath, page, signal }),
  );
  if (task.state === "Settled") throw disputeTooLateError(task);
  terminal.say("The file is the delivered one. Proving the provider's misbehaviour on chain...");
  const id = formatTaskId(task.id);
  const call = proveMisbehaviour(client, { id: task.id, proof });
  const sent = await submit(client, call, { id, page }, flags, terminal);
  const refund = task.fee - task.paid;
  const { compensation, burned } = await findSlashing(client, task, sent);
  terminal.say(
    `${formatOg(refund)} OG of the fee are free in the sub-account again, and ${formatOg(compensation)} OG of the provider's bond are in your account.`,
  );
  throw new OutcomeError(
    "task-failed-by-provider",
    `Proved on chain: page ${page} of the model is not what the provider committed to.`,
    "Choose another provider.",
    { ...sent, id, page, refund, compensation, burned },
    { verb: "listServices" },
  );
}

/** The result of the proof, from its event. */
async function findSlashing(client: Client, { id }: Task, sent: Sent | Planned) {
  const events = sent.dryRun ? [] : await readTaskBlock(client, { id, block: sent.blockNumber });
  const slashing = events.find((event) => event.name === "TaskSlashed");
  return { compensation: slashing?.compensation ?? 0n, burned: slashing?.burned ?? 0n };
}

/** The error if the user has confirmed, or the dispute period has passed and the task was finalized. */
function disputeTooLateError({ id, provider }: Task): ProtocolError {
  return new ProtocolError(
    "integrity",
    `The model of task ${formatTaskId(id)} cannot be decrypted, and the provider was already paid.`,
    `Do not use provider ${provider} again, and decrypt within the dispute period.`,
  );
}
