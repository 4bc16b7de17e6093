import type { Finding } from "./Finding.ts";
import { type Problem, RULES } from "./rules.ts";

/** Where in its file a problem is. */
export type Place = Pick<Problem, "line" | "entry">;

export function placeOf({ line, entry }: Place): Place {
  return { line, ...(entry !== undefined && { entry }) };
}

/** One problem in its full form. */
export function problem(file: string, place: Place, { rule, message }: Finding): Problem {
  const { severity, hint } = RULES[rule];
  return { file, ...place, rule, severity, message, hint };
}
