import type { Logger } from "pino";
import { formatTaskId } from "../../sdk/ids.ts";
import type { Clock } from "../clock.ts";
import type { Readiness } from "../Readiness.ts";
import type { Due } from "./Agenda.ts";
import { laneOf } from "./lanes.ts";

/** Milliseconds for which a step that an open task needs may wait for its turn. */
const MAX_WAIT = 5 * 60_000;
/** Milliseconds in which the runner looks at its jobs at least once; it does so every few seconds. */
const MAX_PASS_INTERVAL = 60_000;
const POLL_INTERVAL = 10_000;

const NAME = "runner";
const HINT =
  "See the log for what is under way, and restart the daemon: it continues where it was.";

/** Says that the runner is stalled: it no longer looks at its jobs, or does not come to a step of one of them. */
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

  /** The runner has looked at its jobs. @param waiting what is due and was not begun */
  notePass(waiting: readonly Due[]): void {
    this.#passedAt = this.#clock.now();
    this.#waiting = waiting.filter(({ effect, record }) => isNeeded(effect.step, record));
  }

  /** Looks until `signal` aborts. */
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
      this.#say("The runner does not look at its jobs.", {});
    } else if (late) {
      const { id, step } = late.effect;
      const seconds = Math.round((now - late.since) / 1000);
      const task = formatTaskId(id);
      this.#say(`The step ${step} of task ${task} waits for its turn.`, { task, step, seconds });
    } else if (this.#readiness.clear(NAME)) {
      this.#log.info("the runner works again");
    }
  }

  #say(message: string, details: object): void {
    if (this.#readiness.set({ name: NAME, message, hint: HINT }))
      this.#log.error({ ...details, hint: HINT }, "the runner is stalled");
  }
}

/** Cleaning up can wait, and so can a dataset while others are prepared. */
function isNeeded(step: Due["effect"]["step"], record: Due["record"]): boolean {
  const lane = laneOf(step, record);
  return lane !== "clean" && lane !== "publish" && !(lane === "intake" && step === "fetch");
}
