import type { TrainerEvent } from "./trainerEvents.ts";

/** The first line of every log. */
export const FIRST_LINE = "creating task....";

/** The log line of an event, in the style of 0G's provider; null for events without one. */
export function renderEvent(event: TrainerEvent, taskUuid: string): string | null {
  switch (event.type) {
    case "started":
      return event.resumed_from === null || event.resumed_from === undefined
        ? `Training starts: ${event.total} steps, batch size ${event.batch_size}`
        : `Training resumes after step ${event.resumed_from} of ${event.total}`;
    case "progress":
      return `Step: ${event.step}, Logs: ${figures({ loss: event.loss, accuracy: event.accuracy })}`;
    case "eval":
      return `Step: ${event.step}, Evaluation on ${event.on} rows: ${figures({ loss: event.loss, accuracy: event.accuracy })}`;
    case "checkpoint":
      return `Step: ${event.step}, Checkpoint saved`;
    case "stopped":
      return `Step: ${event.step}, Training interrupted, its state is saved`;
    case "warning":
      return `Warning: ${event.message}`;
    case "error":
      return `Error: ${event.message} ${event.hint ?? ""}`.trimEnd();
    case "done":
      return `Training model for task ${taskUuid} completed successfully`;
    default:
      return null;
  }
}

/**
 * Formatted like a Python dictionary, as readers of these logs expect. Four significant digits: the exact values are in
 * the events.
 */
function figures(values: Record<string, unknown>): string {
  const present = Object.entries(values).filter(([, value]) => typeof value === "number");
  return `{${present.map(([name, value]) => `'${name}': ${Number((value as number).toPrecision(4))}`).join(", ")}}`;
}
