import type { Client } from "../sdk/client.ts";
import { confirm } from "../sdk/deliverable/confirm.ts";
import { findMisbehaviour } from "../sdk/deliverable/findMisbehaviour.ts";
import { openDeliverable } from "../sdk/deliverable/openDeliverable.ts";
import { proveMisbehaviour } from "../sdk/deliverable/proveMisbehaviour.ts";
import { ProtocolError } from "../sdk/errors.ts";
import { PageMismatchError } from "../sdk/exchange/pageMismatchError.ts";
import { formatTaskId } from "../sdk/ids.ts";
import { getTask } from "../sdk/task/getTask.ts";
import type { Task } from "../sdk/task/Task.ts";
import { fetchTaskEvents } from "../sdk/task/taskEvents.ts";
import { formatOg } from "../sdk/units.ts";
import { findTask, type TaskFlags } from "./findTask.ts";
import { required, requireZip } from "./flags.ts";
import { untilInterrupted } from "./interrupt.ts";
import { OutcomeError } from "./OutcomeError.ts";
import { run } from "./run.ts";
import { shellWord } from "./shellWord.ts";
import { type SendingFlags, submit } from "./submit.ts";
import type { Terminal } from "./terminal.ts";

interface Flags extends TaskFlags, SendingFlags {
  readonly encryptedModel: string | undefined;
  readonly output: string | undefined;
}

/**
 * Decrypts a model with the key on chain and checks every page of it. Where all match, confirms that it is the promised
 * one; where one does not, proves the provider's misbehaviour.
 */
export default run<Flags>(async (flags, terminal, environment) => {
  const encryptedPath = required(
    flags.encryptedModel,
    "--encrypted-model",
    "the path at which acknowledge-model saved the model",
  );
  const outputPath = requireZip(
    required(flags.output, "--output", "the path of the zip file to write"),
    "--output",
  );
  const client = await environment.signer("user");
  const task = await findTask(client, flags);
  const id = formatTaskId(task.id);
  if (flags.dryRun) return confirmOnChain(client, task, flags, terminal);

  const stopped = new ProtocolError(
    "declined",
    "The decryption was interrupted; nothing was written.",
    "Run the same command again.",
  );
  const { size } = await untilInterrupted(stopped, (signal) =>
    openDeliverable(client, { task, encryptedPath, outputPath, signal }),
  ).catch((error) => {
    if (!(error instanceof PageMismatchError)) throw error;
    return dispute(client, task, error, { ...flags, encryptedPath }, terminal);
  });
  terminal.say(
    `Decrypted ${size} bytes to ${outputPath}; every page is what the provider committed to.`,
  );
  const result = await confirmOnChain(client, task, flags, terminal);
  terminal.say(
    result.transaction === null
      ? "The task was settled before; nothing more to confirm."
      : "Confirmed on chain: the provider is paid and the task is over.",
  );
  terminal.next(`unzip ${shellWord(outputPath)}`);
  return { ...result, id, path: outputPath, size };
});

/**
 * A page does not match: where that is the provider's doing, proves it on chain, which brings the money back.
 * @throws OutcomeError "task-failed-by-provider" when that is done; ProtocolError "integrity" when it cannot be.
 */
async function dispute(
  client: Client & { readonly address: string },
  task: Task,
  { page, message }: PageMismatchError,
  { encryptedPath, ...flags }: SendingFlags & { encryptedPath: string },
  terminal: Terminal,
): Promise<never> {
  terminal.say(message);
  const stopped = new ProtocolError(
    "declined",
    "The proof was interrupted; nothing was sent.",
    "Run the same command again before the dispute period ends.",
  );
  const proof = await untilInterrupted(stopped, (signal) =>
    findMisbehaviour(client, { task, encryptedPath, page, signal }),
  );
  if (task.state === "Settled") throw tooLate(task);
  terminal.say("The file is the one that was delivered. Proving on chain what the provider did...");
  const id = formatTaskId(task.id);
  const call = proveMisbehaviour(client, { id: task.id, proof });
  const sent = await submit(client, call, { id, page }, flags, terminal);
  const refund = task.fee - task.paid;
  const { compensation, burned } = await findSlashing(client, task);
  terminal.say(
    `${formatOg(refund)} OG of the fee are free in the sub-account again, and ${formatOg(compensation)} OG of the provider's bond are in your account.`,
  );
  throw new OutcomeError(
    "task-failed-by-provider",
    `Proved on chain: page ${page} of the model is not what the provider committed to.`,
    "Choose another provider: npx hardhat list-providers",
    { ...sent, id, page, refund, compensation, burned },
  );
}

/** What the proof brought, from its event. */
async function findSlashing(client: Client, { id }: Task) {
  const events = await fetchTaskEvents(client, { id });
  const slashing = events.find((event) => event.name === "TaskSlashed");
  return { compensation: slashing?.compensation ?? 0n, burned: slashing?.burned ?? 0n };
}

/** The user confirmed, or let the dispute period pass and somebody finalized. */
function tooLate({ id, provider }: Task): ProtocolError {
  return new ProtocolError(
    "integrity",
    `The model of task ${formatTaskId(id)} cannot be opened, and the provider was paid before this was found out.`,
    `Do not use provider ${provider} again, and decrypt within the dispute period.`,
  );
}

/** Pays the provider at once instead of after the dispute period; somebody else may have done so meanwhile. */
async function confirmOnChain(
  client: Client & { readonly address: string },
  task: Task,
  flags: Flags,
  terminal: Terminal,
) {
  if (task.state === "Settled") return { dryRun: flags.dryRun, transaction: null };
  const args = { id: formatTaskId(task.id) };
  try {
    const result = await submit(client, confirm(client, task), args, flags, terminal);
    return { transaction: null, ...result };
  } catch (error) {
    const { state } = await getTask(client, task);
    if (state === "Settled") return { dryRun: flags.dryRun, transaction: null };
    throw error;
  }
}
