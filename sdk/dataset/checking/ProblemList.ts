import { type Place, placeOf } from "../formats/problem.ts";
import type { Problem } from "../formats/rules.ts";

/** Problems of one rule whose messages differ at most in numbers and in the reason that a parser gives. */
export interface ProblemGroup extends Omit<Problem, "line" | "entry"> {
  /** Number of problems, including those whose places are not listed. */
  readonly count: number;
  /** Places of the first ones, at most MAX_PLACES of them. `message` is that of the first. */
  readonly places: readonly Place[];
}

/** Maximum number of problems of a group that are listed; more are only counted. */
export const MAX_PLACES = 10;
/** Maximum number of groups of a rule; problems of further ones are only counted. */
export const MAX_GROUPS = 20;

/** Collects problems, and groups those that repeat. Memory is bounded. */
export class ProblemList {
  readonly #groups = new Map<string, { first: Problem; count: number; places: Place[] }>();
  readonly #listed: Problem[] = [];
  readonly counts = { error: 0, warning: 0 };

  add(found: Problem): void {
    this.counts[found.severity] += 1;
    const key = shapeOf(found);
    let group = this.#groups.get(key);
    if (!group) {
      const others = [...this.#groups.values()].filter(({ first }) => first.rule === found.rule);
      if (others.length >= MAX_GROUPS) return;
      group = { first: found, count: 0, places: [] };
      this.#groups.set(key, group);
    }
    group.count += 1;
    if (group.places.length >= MAX_PLACES) return;
    group.places.push(placeOf(found));
    this.#listed.push(found);
  }

  /** The first problems of each group, in the order in which they were added. */
  get problems(): readonly Problem[] {
    return this.#listed;
  }

  get groups(): readonly ProblemGroup[] {
    return [...this.#groups.values()].map(
      ({ first: { line, entry, ...first }, count, places }) => ({
        ...first,
        count,
        places,
      }),
    );
  }
}

/** What problems of one group have in common: everything but numbers outside quotation marks, and a parser's reason. */
function shapeOf({ rule, message }: Problem): string {
  const text = message.replace(/ \((?!found: ).*\)/s, "");
  const shape = text.replaceAll(/"(?:[^"\\]|\\.)*"|\d+/g, (part) => (part[0] === '"' ? part : "0"));
  return `${rule} ${shape}`;
}
