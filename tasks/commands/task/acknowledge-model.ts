import { holdsDeliverable } from "../../../sdk/deliverable/downloadDeliverable.ts";
import { awaitsAcknowledgement } from "../../../sdk/deliverable/prepareAcknowledgement.ts";
import { formatTaskId } from "../../../sdk/ids.ts";
import { checkOutput } from "../../../sdk/storage/files/checkOutput.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import type { Command } from "../../definition.ts";
import { fileIn } from "../../flags/fileIn.ts";
import { acknowledgeTask } from "../../flows/acknowledgeTask.ts";
import { findTask, type TaskFlags } from "../../flows/findTask.ts";
import { type ReceivingFlags, receiveDelivery } from "../../flows/receiveDelivery.ts";
import { shellWord } from "../../terminal/shellWord.ts";

interface Flags extends TaskFlags, ReceivingFlags {
  readonly dataPath: string;
  readonly force: boolean;
}

/** Downloads the encrypted model, verifies it against the root on chain, and confirms its receipt. */
export default (async (flags, terminal, environment) => {
  const target = flags.dataPath;
  environment.storageUrl();
  const client = await environment.signer("user");
  const found = await findTask(client, flags);
  const { root } = found;
  const id = formatTaskId(found.id);
  const wanted = await fileIn(target, `${id}.encrypted`);
  const { path, isDone } = await checkOutput(wanted, {
    force: flags.force,
    isResult: (place) => holdsDeliverable(place, found),
  });
  if (isDone) {
    terminal.say(`${path} already contains the encrypted model; every byte matches root ${root}.`);
  } else if (!flags.dryRun || root === null) {
    await receiveDelivery({ client, flags, terminal, environment }, found, path);
    terminal.say(`Encrypted model saved to ${path}; every byte matches root ${root}.`);
  }

  const task = await getTask(client, found); // a demand and its answer move the deadline
  const decrypt = environment.command(
    `decrypt-model --provider ${task.provider} --task ${id} --encrypted-model ${shellWord(path)} --output ${id}.zip`,
  );
  if (!awaitsAcknowledgement(task)) {
    terminal.say("It was already acknowledged.");
    terminal.next(decrypt);
    return { id, root, path, transaction: null };
  }
  const result = await acknowledgeTask(client, task, flags, terminal);
  if (result.dryRun) return result;
  terminal.say(`Acknowledged the model of task ${id}. The provider now publishes the key.`);
  terminal.next(decrypt, "when get-task shows Finished");
  return { ...result, id, root, path };
}) satisfies Command<Flags>;
