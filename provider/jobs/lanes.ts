import { isBeforeAcceptance, type Step } from "../machine/machine.ts";
import { outputRepository } from "../steps/parts/publishModel.ts";
import type { Effect, JobRecord } from "../store/Store.ts";

/**
 * Steps run in lanes, so that one kind of work does not block another: work that anyone can cause for free, and work
 * for a task that is already paid, never delays a step that an open task needs.
 */
export type Lane = "reveal" | "chain" | "train" | "work" | "intake" | "clean" | "publish";

interface Bounds {
  /** Concurrent steps. */
  readonly all: number;
  /** Concurrent steps for the same user. */
  readonly perUser: number;
}

const UNBOUNDED = Number.POSITIVE_INFINITY;

export const LANES: Readonly<Record<Lane, Bounds>> = {
  /** Never waits: the whole bond is at stake. */
  reveal: { all: UNBOUNDED, perUser: UNBOUNDED },
  chain: { all: 64, perUser: UNBOUNDED },
  /** Limited by the slots. */
  train: { all: UNBOUNDED, perUser: UNBOUNDED },
  /** For accepted tasks, of which there are not many more than slots. */
  work: { all: 64, perUser: UNBOUNDED },
  /** For orders that are not accepted yet. */
  intake: { all: 4, perUser: 1 },
  clean: { all: 8, perUser: 2 },
  /** Connects to hubs chosen by users. */
  publish: { all: 4, perUser: 1 },
};

/** Most orders whose datasets are on this disk before they are accepted. */
export const MAX_PREPARED = 16;

/** The steps that are most expensive to miss come first. */
const BY_URGENCY: readonly Step[] = [
  "reveal",
  "answer",
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

/** Sorts due steps by the cost of missing them, then by deadline, then by fee. */
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

/** Before acceptance it is not the provider's, but as near as the order's user likes. */
const deadlineOf = (job: JobRecord["job"]) =>
  isBeforeAcceptance(job) ? UNBOUNDED : job.deadline || UNBOUNDED;

export function laneOf(step: Step, record: JobRecord): Lane {
  switch (step) {
    case "reveal":
    case "answer":
      return "reveal";
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

/** Counts the running steps per lane and user. */
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
