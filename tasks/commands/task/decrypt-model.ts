import { holdsModel } from "../../../sdk/deliverable/openDeliverable.ts";
import { formatTaskId } from "../../../sdk/ids.ts";
import { checkOutput } from "../../../sdk/storage/files/checkOutput.ts";
import type { Command } from "../../definition.ts";
import { requireZip } from "../../flags/readFlags.ts";
import { confirmModel } from "../../flows/confirmModel.ts";
import { findTask, type TaskFlags } from "../../flows/findTask.ts";
import { openModel } from "../../flows/openModel.ts";
import type { SendingFlags } from "../../flows/submit.ts";
import { readTaskKey } from "../../flows/taskKey.ts";
import { unpackCommand } from "../../terminal/unpackCommand.ts";

interface Flags extends TaskFlags, SendingFlags {
  readonly encryptedModel: string;
  readonly output: string;
  readonly taskKey: string | undefined;
  readonly force: boolean;
}

/**
 * Decrypts a model with the key on chain and verifies every page. If all pages match, confirms the model; if one does
 * not, proves the provider's misbehaviour.
 */
export default (async (flags, terminal, environment) => {
  const encryptedPath = flags.encryptedModel;
  const wanted = requireZip(flags.output, "--output");
  const taskKey = await readTaskKey(flags.taskKey);
  const client = await environment.signer("user");
  const task = await findTask(client, flags);
  const id = formatTaskId(task.id);
  if (flags.dryRun) return confirmModel(client, task, flags, terminal);

  const { path: outputPath, isDone } = await checkOutput(wanted, {
    force: flags.force,
    inputs: [encryptedPath],
    size: task.size,
    isResult: (place) => holdsModel(client, task, place),
  });
  if (isDone) {
    terminal.say(`${outputPath} already contains this model.`);
  } else {
    const places = { encryptedPath, outputPath, taskKey };
    const { size } = await openModel(client, task, places, flags, terminal);
    terminal.say(
      `Decrypted ${size} bytes to ${outputPath}; every page is what the provider committed to.`,
    );
  }
  const result = await confirmModel(client, task, flags, terminal);
  terminal.next(await unpackCommand(outputPath));
  return { ...result, id, path: outputPath, size: task.size };
}) satisfies Command<Flags>;
