/** Orders: from a dataset to the task, as the commands place them. */

export type { Candidate } from "./findCandidates.ts";
export * from "./orderTask.ts";
export type { Offer } from "./priceOffers.ts";
