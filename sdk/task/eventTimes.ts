import type { Client } from "../client.ts";
import { blockTimes } from "../transaction/blockTimes.ts";
import { readChain } from "../transaction/readChain.ts";
import type { Task } from "./Task.ts";
import type { TaskEvent } from "./taskEvents.ts";

/** Seconds from an event to the deadline that it sets, by its name. */
export type EventPeriods = Readonly<Partial<Record<TaskEvent["name"], number>>>;

/** Reads the periods that do not depend on the task, in one request. */
export async function readEventPeriods(client: Client): Promise<EventPeriods> {
  const { serving } = client;
  const [ack, reveal, dispute, late] = await readChain(client, () =>
    Promise.all([
      serving.ackPeriod(),
      serving.revealPeriod(),
      serving.disputePeriod(),
      serving.LATE_ACKNOWLEDGEMENT_PERIOD(),
    ]),
  );
  return {
    TaskDelivered: Number(ack),
    TaskAcknowledged: Number(reveal),
    KeyRevealed: Number(dispute),
    TaskLapsed: Number(late),
  };
}

/**
 * The times of a task's events, in the same order. An event that sets a deadline tells its time by it; only those of
 * the others are read from their blocks.
 */
export async function eventTimes(
  client: Client,
  task: Pick<Task, "trainingTime">,
  { events, periods }: { events: readonly TaskEvent[]; periods: EventPeriods },
): Promise<Date[]> {
  const byDeadline = events.map((event) => {
    const period = event.name === "TaskAccepted" ? task.trainingTime : periods[event.name];
    if (period === undefined || !("deadline" in event)) return null;
    return new Date((event.deadline - period) * 1_000);
  });
  const rest = events.filter((_, index) => byDeadline[index] === null);
  const times = await blockTimes(
    client,
    rest.map(({ blockNumber }) => blockNumber),
  );
  return events.map(
    ({ blockNumber }, index) => byDeadline[index] ?? times.get(blockNumber) ?? new Date(0),
  );
}
