import { isBusy } from "../service/fetchQueue.ts";
import { rankServices } from "../service/rankServices.ts";
import type { Offer } from "./priceOffers.ts";

/**
 * Ranks offers that are in the order of registration, as `rankServices` does, the best one first.
 * @param now unix seconds
 */
export function rankOffers(offers: readonly Offer[], now: number) {
  const candidates = offers.map((offer, seniority) => {
    const { service, quote, queue } = offer;
    return { service, fee: quote.fee, free: !isBusy(queue), seniority, offer };
  });
  return rankServices({ candidates, now });
}
