import type { CatalogueModel } from "../../sdk/service/fetchCatalogue.ts";
import type { Service } from "../../sdk/service/Service.ts";

const MILLION = 1_000_000n;
const BPS = 10_000n;

/** Neuron for training a model of a billion parameters on a million bytes or tokens, once. */
export const pricePerMillion = ({ pricePerUnit }: Pick<Service, "pricePerUnit">): bigint =>
  pricePerUnit * MILLION;

/** Neuron for training a model on a million bytes or tokens, once: all weights, or a LoRA adapter. */
export function pricesOfModel(
  service: Pick<Service, "pricePerUnit">,
  { rates }: CatalogueModel,
): { readonly full: bigint; readonly lora: bigint } {
  const price = (rate: number) => (pricePerMillion(service) * BigInt(rate)) / BPS;
  return { full: price(rates.full), lora: price(rates.lora) };
}

export const pricePerMillionTitle = ({ unit }: Pick<Service, "unit">): string =>
  `Price Per Million ${unit === "byte" ? "Bytes" : "Tokens"} Trained (OG)`;
