import type { Service, ServiceCounters } from "../../sdk/service/Service.ts";
import { formatOg } from "../../sdk/units.ts";

type Row = readonly [label: string, value: string];

/** Rows for how a provider's tasks ended, what it earned with them, and what it deposited to be registered. */
export function recordRows({ counters, earned, failedAt, stake }: Service): Row[] {
  return [
    ["Paid Tasks", list(counters, ["confirmed", "finalized", "lapsed"])],
    ["Unpaid Tasks", list(counters, ["refused", "failed", "expired", "slashed"])],
    ["Last Failure", lastFailure(failedAt)],
    ["Earned (OG)", formatOg(earned)],
    ["Registration Deposit (OG)", formatOg(stake)],
  ];
}

/** When a task last failed after acceptance, expired or was slashed. */
export const lastFailure = (failedAt: number): string =>
  failedAt === 0 ? "none" : new Date(failedAt * 1_000).toISOString();

function list(counters: ServiceCounters, names: readonly (keyof ServiceCounters)[]): string {
  const ended = names.filter((name) => counters[name] > 0);
  return ended.length === 0 ? "none" : ended.map((name) => `${counters[name]} ${name}`).join(", ");
}
