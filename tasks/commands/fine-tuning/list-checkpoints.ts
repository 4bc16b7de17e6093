import { formatTaskId } from "../../../sdk/ids.ts";
import { getService } from "../../../sdk/service/getService.ts";
import { listCheckpoints } from "../../../sdk/task/listCheckpoints.ts";
import type { Command } from "../../definition.ts";
import { findOwnTask } from "../../flows/findTask.ts";

interface Flags {
  readonly id: string;
  readonly json: boolean;
}

/** Shows the checkpoints that a job has saved so far. */
export default (async (flags, terminal, environment) => {
  const client = await environment.signer("user");
  const { id, provider } = await findOwnTask(client, flags.id);
  const service = await getService(client, { provider });
  const checkpoints = await listCheckpoints(client, { service, id });
  const uuid = formatTaskId(id);
  if (checkpoints.length === 0) {
    terminal.say("No checkpoints have been saved yet.");
    return { id: uuid, checkpoints };
  }
  terminal.table({
    widths: [14, 20, 30],
    rows: [
      ["Step", "Type", "Time"],
      ...checkpoints.map(({ step, type, time }) => [String(step), type, time]),
    ],
  });
  terminal.next(environment.command(`fine-tuning download ${uuid} --step <STEP>`));
  return { id: uuid, checkpoints };
}) satisfies Command<Flags>;
