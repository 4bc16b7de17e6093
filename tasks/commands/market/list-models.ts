import type { CatalogueModel } from "../../../sdk/service/fetchCatalogue.ts";
import { sizeUnit } from "../../../sdk/task/workUnits.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import { fetchOffers, type Offer } from "../../flows/fetchOffers.ts";
import { pricesOfModel } from "../../terminal/pricePerMillion.ts";

interface Flags {
  readonly provider: string | undefined;
  readonly json: boolean;
}

const TYPES: Record<CatalogueModel["kind"], string> = {
  "causal-lm": "Language Generation",
  "text-classification": "Text Classification",
  "image-classification": "Image Classification",
};

/** Shows the models that can be fine-tuned: predefined ones, and those of individual providers. */
export default (async (flags, terminal, environment) => {
  const client = await environment.reader();
  const offers = await fetchOffers(client, flags.provider, terminal);
  const predefined = byHash(offers.filter(({ model }) => model.predefined));
  const special = offers.filter(({ model }) => !model.predefined);
  terminal.table({
    title: "Predefined Models",
    widths: [35, 25, 60, 45],
    rows: [
      ["Model Name", "Type", "Description", PRICE],
      ...predefined.map((offer) => [
        offer.model.name,
        TYPES[offer.model.kind],
        offer.model.description,
        priceOf(offer),
      ]),
    ],
  });
  terminal.say("");
  terminal.table({
    title: "Provider's Model",
    widths: [35, 25, 45, 60, 45],
    rows: [
      ["Model Name", "Type", "Provider", "Description", PRICE],
      ...special.map((offer) => [
        offer.model.name,
        TYPES[offer.model.kind],
        offer.service.provider,
        offer.model.description,
        priceOf(offer),
      ]),
    ],
  });
  const first = offers[0];
  if (first) {
    const { service, model } = first;
    const usage = `model-usage --provider ${service.provider} --model ${model.name} --output ${model.name}.zip`;
    terminal.next(environment.command(usage));
  }
  return {
    models: offers.map(({ service, model }) => ({
      provider: service.provider,
      ...model,
      pricePerMillion: { unit: service.unit, ...pricesOfModel(service, model) },
    })),
  };
}) satisfies Command<Flags>;

const PRICE = "Price Per Million Trained (OG)";

/** "0.05 full, 0.034 LoRA (tokens)". */
function priceOf({ service, model }: Offer): string {
  const { full, lora } = pricesOfModel(service, model);
  return `${formatOg(full)} full, ${formatOg(lora)} LoRA (${sizeUnit(service.unit, model.kind)}s)`;
}

/** One entry per model, the cheapest per unit of work, however many providers offer it. */
function byHash(offers: readonly Offer[]): Offer[] {
  const cheapest = new Map<string, Offer>();
  for (const offer of offers) {
    const key = `${offer.model.name} ${offer.model.hash}`;
    const known = cheapest.get(key);
    if (!known || offer.service.pricePerUnit < known.service.pricePerUnit) cheapest.set(key, offer);
  }
  return [...cheapest.values()];
}
