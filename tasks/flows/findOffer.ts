import { findModel } from "../../sdk/service/findModel.ts";
import type { OfferedModel } from "../../sdk/service/OfferedModel.ts";
import type { Environment } from "../Environment.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { fetchOffers } from "./fetchOffers.ts";

export interface WantedModel {
  /** Name of the model. */
  readonly model: string;
  /** Address of the provider that offers it; default: any. */
  readonly provider: string | undefined;
}

/** Finds a model that is offered. */
export async function findOffer(
  { model, provider }: WantedModel,
  environment: Environment,
  terminal: Terminal,
): Promise<OfferedModel> {
  const client = await environment.reader();
  const offers = await fetchOffers(client, provider, terminal);
  const found = findModel({ models: offers.map((offer) => offer.model) }, model);
  return offers.find((each) => each.model === found)!;
}
