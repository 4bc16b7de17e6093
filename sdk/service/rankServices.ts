import type { Service } from "./Service.ts";

/** Seconds for which a failure counts. */
const FRESH_FAILURE_SECONDS = 7 * 24 * 3_600;

/** A provider that may be chosen for an order. */
export interface RankingCandidate {
  readonly service: Pick<Service, "counters" | "earned" | "failedAt">;
  /** Neuron that it asks for the order. */
  readonly fee: bigint;
  /** Whether it would start immediately. */
  readonly free: boolean;
  /** Its place in the list of services, which is in the order of first registration. */
  readonly seniority: number;
}

/**
 * What decides between two providers, in this order: no fresh failure, no queue, a record worth the order, the
 * price, the earlier registration.
 */
export type RankingRule = "failure" | "queue" | "record" | "price" | "seniority";

export interface RankServicesParameters<T extends RankingCandidate> {
  readonly candidates: readonly T[];
  /** Unix seconds, by the chain's clock. */
  readonly now: number;
}

/** A candidate's rank by each rule; the lower one comes first. */
const RULES: Record<RankingRule, (candidate: RankingCandidate, now: number) => bigint> = {
  failure: ({ service }, now) => BigInt(hasFreshFailure(service, now)),
  queue: ({ free }) => BigInt(!free),
  record: (candidate) => BigInt(!hasProvenWork(candidate)),
  price: ({ fee }) => fee,
  seniority: ({ seniority }) => BigInt(seniority),
};

const ORDER = Object.keys(RULES) as readonly RankingRule[];

/**
 * Ranks the providers for an order, the best one first.
 * @example
 * const { fee } = quote({ service, model, config: {}, dataSize: 70n });
 * const candidates = [{ service, fee, free: true, seniority: 0 }];
 * const [best] = rankServices({ candidates, now: Date.now() / 1_000 });
 */
export function rankServices<T extends RankingCandidate>({
  candidates,
  now,
}: RankServicesParameters<T>): T[] {
  return candidates.toSorted((a, b) => {
    const key = RULES[decidingRule({ better: a, other: b, now })];
    const [first, second] = [key(a, now), key(b, now)];
    return first < second ? -1 : Number(first > second);
  });
}

export interface DecidingRuleParameters {
  readonly better: RankingCandidate;
  readonly other: RankingCandidate;
  /** Unix seconds, by the chain's clock. */
  readonly now: number;
}

/**
 * The rule that puts one provider before another: the first one by which they differ.
 * @example
 * const better = { service, fee: 1n, free: true, seniority: 0 };
 * decidingRule({ better, other: { ...better, fee: 2n }, now: Date.now() / 1_000 }); // "price"
 */
export function decidingRule({ better, other, now }: DecidingRuleParameters): RankingRule {
  return ORDER.find((rule) => RULES[rule](better, now) !== RULES[rule](other, now)) ?? "seniority";
}

/**
 * Whether a task failed after acceptance, expired or was slashed in the last 7 days.
 * @example if (hasFreshFailure(service, Date.now() / 1_000)) console.log(service.provider);
 */
export function hasFreshFailure({ failedAt }: Pick<Service, "failedAt">, now: number): boolean {
  return failedAt !== 0 && now - failedAt < FRESH_FAILURE_SECONDS;
}

/**
 * Whether a provider has earned as much as this order costs, and had a task confirmed. More than that counts for
 * nothing.
 * @example
 * const { fee } = quote({ service, model, config: {}, dataSize: 70n });
 * console.log(hasProvenWork({ service, fee }));
 */
export function hasProvenWork({
  service: { counters, earned },
  fee,
}: Pick<RankingCandidate, "service" | "fee">): boolean {
  return counters.confirmed > 0 && earned >= fee;
}
