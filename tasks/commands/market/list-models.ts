import type { CatalogueModel } from "../../../sdk/service/fetchCatalogue.ts";
import type { Command } from "../../definition.ts";
import { fetchOffers, type Offer } from "../../flows/fetchOffers.ts";

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
    widths: [35, 25, 60],
    rows: [
      ["Model Name", "Type", "Description"],
      ...predefined.map(({ model }) => [model.name, TYPES[model.kind], model.description]),
    ],
  });
  terminal.say("");
  terminal.table({
    title: "Provider's Model",
    widths: [35, 25, 45, 60],
    rows: [
      ["Model Name", "Type", "Provider", "Description"],
      ...special.map(({ provider, model }) => [
        model.name,
        TYPES[model.kind],
        provider,
        model.description,
      ]),
    ],
  });
  const first = offers[0];
  if (first) {
    const { provider, model } = first;
    const usage = `model-usage --provider ${provider} --model ${model.name} --output ${model.name}.zip`;
    terminal.next(environment.command(usage));
  }
  return { models: offers.map(({ provider, model }) => ({ provider, ...model })) };
}) satisfies Command<Flags>;

/** One entry per model, however many providers offer it. */
function byHash(offers: readonly Offer[]): Offer[] {
  const seen = new Map(offers.map((offer) => [`${offer.model.name} ${offer.model.hash}`, offer]));
  return [...seen.values()];
}
