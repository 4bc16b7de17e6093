import { RULES, type RuleId } from "./rules.ts";

/** A broken rule, without its place in the file. */
export interface Finding {
  readonly rule: RuleId;
  readonly message: string;
  /** The name that a misspelt key probably means. */
  readonly meant?: string | undefined;
}

/** Whether a row with this finding is unusable. */
export function isError({ rule }: Finding): boolean {
  return RULES[rule].severity === "error";
}
