import type { Client } from "../sdk/client.ts";
import { confirm } from "../sdk/deliverable/confirm.ts";
import { openDeliverable } from "../sdk/deliverable/openDeliverable.ts";
import { ProtocolError } from "../sdk/errors.ts";
import { formatTaskId } from "../sdk/ids.ts";
import { getTask } from "../sdk/task/getTask.ts";
import type { Task } from "../sdk/task/Task.ts";
import { findTask, type TaskFlags } from "./findTask.ts";
import { required, requireZip } from "./flags.ts";
import { untilInterrupted } from "./interrupt.ts";
import { run } from "./run.ts";
import { shellWord } from "./shellWord.ts";
import { type SendingFlags, submit } from "./submit.ts";
import type { Terminal } from "./terminal.ts";

interface Flags extends TaskFlags, SendingFlags {
  readonly encryptedModel: string | undefined;
  readonly output: string | undefined;
}

/** Decrypts a model with the key on chain, checks every page of it, and then confirms that it is the promised one. */
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
  );
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
