import type { Finding } from "./Finding.ts";
import { type Problem, RULES } from "./rules.ts";

/** The place of a problem in its file. */
export type Place = Pick<Problem, "line" | "entry">;

export function placeOf({ line, entry }: Place): Place {
  return { line, ...(entry !== undefined && { entry }) };
}

/** Builds a problem from a finding and its place. */
export function problem(file: string, place: Place, { rule, message, meant }: Finding): Problem {
  const { severity, hint } = RULES[rule];
  return { file, ...place, rule, severity, message, hint, ...(meant !== undefined && { meant }) };
}
