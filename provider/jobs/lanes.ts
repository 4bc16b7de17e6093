import { isBeforeAcceptance, type Step } from "../machine/machine.ts";
import { outputRepository } from "../steps/parts/publishModel.ts";
import type { Effect, JobRecord } from "../store/Store.ts";

/**
 * Steps are taken in lanes, so that no kind of work takes the place of another: what a stranger can order for nothing,
 * and what is done for a task after it was paid, never delays a step that an open task needs.
 */
export type Lane = "reveal" | "chain" | "train" | "work" | "intake" | "clean" | "publish";

interface Bounds {
  /** Steps at the same time. */
  readonly all: number;
  /** Of them, for the same user. */
  readonly perUser: number;
}

const UNBOUNDED = Number.POSITIVE_INFINITY;

export const LANES: Readonly<Record<Lane, Bounds>> = {
  /** The whole bond is at stake: it waits for nothing. */
  reveal: { all: UNBOUNDED, perUser: UNBOUNDED },
  chain: { all: 64, perUser: UNBOUNDED },
  /** As many as there are slots. */
  train: { all: UNBOUNDED, perUser: UNBOUNDED },
  /** Of accepted tasks, of which there are not many more than slots. */
  work: { all: 64, perUser: UNBOUNDED },
  /** Before acceptance. */
  intake: { all: 4, perUser: 1 },
  clean: { all: 8, perUser: 2 },
  /** Goes online, to wherever a user wants. */
  publish: { all: 4, perUser: 1 },
};

/** Orders whose datasets are on this disk before they are accepted. */
export const MAX_PREPARED = 16;

/** What costs most when it comes too late is taken first. */
const BY_URGENCY: readonly Step[] = [
  "reveal",
  "deliver",
  "fail",
  "settle",
  "finalize",
  "lapse",
  "accept",
  "upload",
  "seal",
  "package",
  "train",
  "count",
  "fetch",
  "verify",
  "clean",
];

/** Sorts what is due: by what is lost when it comes too late, then by deadline, then by fee. */
export function byUrgency(
  [a, { job, fee }]: readonly [Effect, JobRecord],
  [b, other]: readonly [Effect, JobRecord],
): number {
  const byStep = BY_URGENCY.indexOf(a.step) - BY_URGENCY.indexOf(b.step);
  if (byStep !== 0) return byStep;
  const byDeadline = deadlineOf(job) - deadlineOf(other.job);
  if (byDeadline !== 0 && !Number.isNaN(byDeadline)) return byDeadline;
  return fee === other.fee ? 0 : fee > other.fee ? -1 : 1;
}

const deadlineOf = ({ deadline }: JobRecord["job"]) => deadline || UNBOUNDED;

export function laneOf(step: Step, record: JobRecord): Lane {
  switch (step) {
    case "reveal":
    case "train":
      return step;
    case "clean":
      return outputRepository(record) === null ? "clean" : "publish";
    case "verify":
    case "fetch":
    case "count":
      return isBeforeAcceptance(record.job) ? "intake" : "work";
    case "package":
    case "seal":
    case "upload":
      return "work";
    default:
      return "chain";
  }
}

/** Who is in which lane. */
export class LaneUsage {
  readonly #users = new Map<string, number>();

  mayEnter(lane: Lane, user: string): boolean {
    const { all, perUser } = LANES[lane];
    return this.count(lane) < all && this.count(lane, user) < perUser;
  }

  count(lane: Lane, user = ""): number {
    return this.#users.get(`${lane}/${user}`) ?? 0;
  }

  enter(lane: Lane, user: string): void {
    this.#add(lane, user, 1);
  }

  leave(lane: Lane, user: string): void {
    this.#add(lane, user, -1);
  }

  #add(lane: Lane, user: string, change: number): void {
    for (const key of [`${lane}/`, `${lane}/${user}`]) {
      const count = (this.#users.get(key) ?? 0) + change;
      if (count === 0) this.#users.delete(key);
      else this.#users.set(key, count);
    }
  }
}
