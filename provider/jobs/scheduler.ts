import type { TaskId } from "../../sdk/ids.ts";
import { holdsSlot, isQueued, waitsForSlot } from "../machine/machine.ts";
import type { JobRecord } from "../store/Store.ts";

/**
 * Jobs that wait for a training slot, in the order in which they get one: accepted tasks first, since their deadlines
 * are running; then round-robin between users, so that no user's second task precedes another user's first.
 * @param records open jobs, oldest first
 */
export function slotQueue(records: readonly JobRecord[]): readonly JobRecord[] {
  const turns = new Map<string, number>();
  const takeTurn = (user: string) => {
    const turn = turns.get(user) ?? 0;
    turns.set(user, turn + 1);
    return turn;
  };
  for (const { job, user } of records) if (holdsSlot(job)) takeTurn(user);
  return records
    .filter(({ job }) => isQueued(job))
    .map((record) => ({ record, turn: takeTurn(record.user) }))
    .sort((a, b) => rank(a.record) - rank(b.record) || a.turn - b.turn)
    .map(({ record }) => record);
}

/**
 * The jobs that get a slot now: those whose dataset is fetched and counted. Others do not delay them.
 * @param mayAccept false if only tasks that are already accepted may train
 */
export function grantSlots(
  records: readonly JobRecord[],
  slots: number,
  mayAccept = true,
): readonly TaskId[] {
  const free = slots - occupiedSlots(records);
  return slotQueue(records)
    .filter(({ job }) => waitsForSlot(job) && (mayAccept || job.chain === "Accepted"))
    .slice(0, Math.max(0, free))
    .map(({ id }) => id);
}

export function occupiedSlots(records: readonly JobRecord[]): number {
  return records.filter(({ job }) => holdsSlot(job)).length;
}

const rank = ({ job }: JobRecord) => (job.chain === "Accepted" ? 0 : 1);
