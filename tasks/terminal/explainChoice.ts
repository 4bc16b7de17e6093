import {
  decidingRule,
  hasFreshFailure,
  hasProvenWork,
  type RankingCandidate,
  type RankingRule,
} from "../../sdk/service/rankServices.ts";
import type { Service } from "../../sdk/service/Service.ts";
import { formatOg } from "../../sdk/units.ts";

/** A provider that offers the wanted model. */
interface Candidate extends RankingCandidate {
  readonly service: Pick<Service, "provider" | "counters" | "earned" | "failedAt">;
}

/** Why a provider was chosen. */
export interface Choice {
  /** Number of providers that were compared. */
  readonly among: number;
  /** The cheapest provider, if it was not chosen, and the rule that decided. */
  readonly passedOver: {
    readonly provider: string;
    readonly fee: bigint;
    readonly rule: RankingRule;
  } | null;
  /** One line for people. */
  readonly reason: string;
}

/** Explains the first of the providers that `rankServices` ranked for an order of `model`. */
export function explainChoice(ranked: readonly Candidate[], model: string, now: number): Choice {
  const passedOver = findPassedOver(ranked, now);
  const reason = `Chosen: ${ranked[0]!.service.provider} — ${placeOf(ranked, model, now)}.`;
  return {
    among: ranked.length,
    passedOver,
    reason: passedOver ? `${reason} ${sayPassedOver(passedOver)}` : reason,
  };
}

function findPassedOver(ranked: readonly Candidate[], now: number): Choice["passedOver"] {
  const chosen = ranked[0]!;
  const cheapest = ranked.reduce((least, each) => (each.fee < least.fee ? each : least));
  if (cheapest.fee === chosen.fee) return null;
  const rule = decidingRule({ better: chosen, other: cheapest, now });
  return { provider: cheapest.service.provider, fee: cheapest.fee, rule };
}

function sayPassedOver({ provider, fee, rule }: NonNullable<Choice["passedOver"]>): string {
  const reasons: Partial<Record<RankingRule, string>> = {
    failure: "had a failure in the last 7 days",
    queue: "is busy",
    record: "has no paid work worth this order",
  };
  return `${provider} asks less, ${formatOg(fee)} OG, but ${reasons[rule]}.`;
}

/** The chosen provider among its equals: those that only price or seniority tells apart. */
function placeOf(ranked: readonly Candidate[], model: string, now: number): string {
  const chosen = ranked[0]!;
  const equals = ranked.filter((other) =>
    ["price", "seniority"].includes(decidingRule({ better: chosen, other, now })),
  );
  const isOnly = equals.length === 1;
  const noun = `${chosen.free ? "free " : ""}provider${isOnly ? "" : "s"} of ${model}`;
  const place = isOnly ? `the only ${noun}` : `cheapest of ${equals.length} ${noun}`;
  return `${place}${sayMerits(chosen, now)}${sayFlaws(chosen, isOnly, now)}${sayTie(equals)}`;
}

function sayMerits(chosen: Candidate, now: number): string {
  const merits = [
    ...(hasProvenWork(chosen) ? ["paid work worth this order"] : []),
    ...(hasFreshFailure(chosen.service, now) ? [] : ["no failure in the last 7 days"]),
  ];
  return merits.length === 0 ? "" : ` with ${merits.join(" and ")}`;
}

function sayFlaws(chosen: Candidate, isOnly: boolean, now: number): string {
  const flaws = [
    ...(chosen.free ? [] : [isOnly ? "is busy" : "are busy"]),
    ...(hasProvenWork(chosen) ? [] : [`${isOnly ? "has" : "have"} no paid work worth this order`]),
    ...(hasFreshFailure(chosen.service, now) ? ["had a failure in the last 7 days"] : []),
  ];
  return flaws.length === 0 ? "" : `; ${isOnly ? "it" : "all of them"} ${flaws.join(" and ")}`;
}

function sayTie([chosen, ...others]: readonly Candidate[]): string {
  const tied = others.filter(({ fee }) => fee === chosen!.fee).length;
  return tied === 0 ? "" : `; it registered first of the ${tied + 1} at this price`;
}
