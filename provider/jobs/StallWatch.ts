import type { Logger } from "pino";
import { formatTaskId } from "../../sdk/ids.ts";
import type { Clock } from "../clock.ts";
import type { Readiness } from "../Readiness.ts";
import type { Due } from "./Agenda.ts";
import { laneOf } from "./lanes.ts";

/** Longest time, in milliseconds, for which a step that an open task needs may wait for its turn. */
const MAX_WAIT = 5 * 60_000;
/** Longest time, in milliseconds, between two passes of the runner; normally a few seconds. */
const MAX_PASS_INTERVAL = 60_000;
const POLL_INTERVAL = 10_000;

const NAME = "runner";
const HINT =
  "Check the log for the running steps, and restart the daemon: it continues where it stopped.";

/** Detects that the runner is stalled: it no longer checks its jobs, or a step of one of them waits too long. */
export class StallWatch {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #readiness: Readiness;
  #passedAt: number;
  #waiting: readonly Due[] = [];

  constructor({ clock, log, readiness }: { clock: Clock; log: Logger; readiness: Readiness }) {
    this.#clock = clock;
    this.#log = log;
    this.#readiness = readiness;
    this.#passedAt = clock.now();
  }

  /** Records a pass of the runner. @param waiting the steps that are due and were not started */
  notePass(waiting: readonly Due[]): void {
    this.#passedAt = this.#clock.now();
    this.#waiting = waiting.filter(({ effect, record }) => isNeeded(effect.step, record));
  }

  /** Checks periodically until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.check();
      await this.#clock.sleep(POLL_INTERVAL, signal);
    }
  }

  check(): void {
    const now = this.#clock.now();
    const late = this.#waiting.find(({ since }) => now - since > MAX_WAIT);
    if (now - this.#passedAt > MAX_PASS_INTERVAL) {
      this.#report("The runner no longer checks its jobs.", {});
    } else if (late) {
      const { id, step } = late.effect;
      const seconds = Math.round((now - late.since) / 1000);
      const task = formatTaskId(id);
      this.#report(`The step ${step} of task ${task} is waiting for its turn.`, {
        task,
        step,
        seconds,
      });
    } else if (this.#readiness.clear(NAME)) {
      this.#log.info("the runner is no longer stalled");
    }
  }

  #report(message: string, details: object): void {
    if (this.#readiness.set({ name: NAME, message, hint: HINT }))
      this.#log.error({ ...details, hint: HINT }, "the runner is stalled");
  }
}

/** Whether a step must not wait. Cleaning up can, and so can fetching a dataset while others are prepared. */
function isNeeded(step: Due["effect"]["step"], record: Due["record"]): boolean {
  const lane = laneOf(step, record);
  return lane !== "clean" && lane !== "publish" && !(lane === "intake" && step === "fetch");
}
