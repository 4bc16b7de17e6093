import { formatTaskId } from "../../../sdk/ids.ts";
import { getService } from "../../../sdk/service/getService.ts";
import { streamEvents } from "../../../sdk/task/streamTask.ts";
import type { Command } from "../../definition.ts";
import { findOwnTask } from "../../flows/findTask.ts";

interface Flags {
  readonly id: string;
  readonly json: boolean;
}

interface Checkpoint {
  readonly step: number;
  /** ISO 8601. */
  readonly time: string;
  /** SHA-256 of its files, as in the receipt. */
  readonly hash: string | null;
}

/** Shows the checkpoints that a job has saved so far. */
export default (async (flags, terminal, environment) => {
  const client = await environment.signer("user");
  const { id, provider } = await findOwnTask(client, flags.id);
  const service = await getService(client, { provider });
  const saved = new Map<number, Checkpoint>();
  let isEnded = false;
  for await (const { type, time = "", step, hash } of streamEvents(client, { service, id })) {
    if (type === "done") isEnded = true;
    if (type !== "checkpoint" || typeof step !== "number") continue;
    saved.set(step, { step, time, hash: typeof hash === "string" ? hash : null });
  }
  const last = [...saved.keys()].at(-1);
  const checkpoints = [...saved.values()].map((checkpoint) => ({
    ...checkpoint,
    type: isEnded && checkpoint.step === last ? "Final" : "Intermediate",
  }));
  terminal.table({
    widths: [14, 20, 30],
    rows: [
      ["Step", "Type", "Time"],
      ...checkpoints.map(({ step, type, time }) => [String(step), type, time]),
    ],
  });
  const uuid = formatTaskId(id);
  if (checkpoints.length === 0) terminal.say("No checkpoints have been saved yet.");
  else terminal.next(environment.command(`fine-tuning download ${uuid} --step <STEP>`));
  return { id: uuid, checkpoints };
}) satisfies Command<Flags>;
