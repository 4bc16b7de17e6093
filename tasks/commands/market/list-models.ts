import type { OfferedModel } from "../../../sdk/service/OfferedModel.ts";
import { sizeUnit } from "../../../sdk/task/workUnits.ts";
import { formatOg } from "../../../sdk/units.ts";
import type { Command } from "../../definition.ts";
import { fetchOffers } from "../../flows/fetchOffers.ts";
import { pricesOfModel } from "../../terminal/pricePerMillion.ts";
import type { Terminal } from "../../terminal/Terminal.ts";
import { typeOf } from "../../terminal/typeOf.ts";

interface Flags {
  readonly provider: string | undefined;
  readonly json: boolean;
}

/** Shows the models that can be fine-tuned: predefined ones, and those of individual providers. */
export default (async (flags, terminal, environment) => {
  const client = await environment.reader();
  const offers = await fetchOffers(client, flags.provider, terminal);
  const predefined = byHash(offers.filter(({ model }) => model.predefined));
  const special = offers.filter(({ model }) => !model.predefined).map((offer) => [offer]);
  show(terminal, "Predefined Models", "Offered By", predefined);
  terminal.say("");
  show(terminal, "Provider's Model", "Provider", special);
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
      type: typeOf(model),
      pricePerMillion: { unit: service.unit, ...pricesOfModel(service, model) },
    })),
  };
}) satisfies Command<Flags>;

/** The offers of one model, at least one. */
type Offered = readonly OfferedModel[];

/** The table has what distinguishes models; --json has everything. */
function show(terminal: Terminal, title: string, by: string, models: readonly Offered[]): void {
  if (models.length === 0) {
    terminal.say(`${title}: none`);
    return;
  }
  terminal.table({
    title,
    widths: [35, 25, 60, 45, 45],
    rows: [
      ["Model Name", "Type", "Description", "Price Per Million Trained (OG)", by],
      ...models.map((offered) => {
        const { model } = offered[0]!;
        return [model.name, typeOf(model), model.description, priceOf(offered), offeredBy(offered)];
      }),
    ],
  });
}

/** "0.05 full, 0.034 LoRA (tokens)", of the cheapest offer per unit of work. */
function priceOf(offered: Offered): string {
  const [{ service, model }] = offered.toSorted(byPrice) as [OfferedModel];
  const { full, lora } = pricesOfModel(service, model);
  const price = `${formatOg(full)} full, ${formatOg(lora)} LoRA (${sizeUnit(service.unit, model.kind)}s)`;
  return offered.length === 1 ? price : `from ${price}`;
}

const byPrice = ({ service: a }: OfferedModel, { service: b }: OfferedModel): number =>
  Number(a.pricePerUnit - b.pricePerUnit);

/** The only provider's address, or the number of providers. */
const offeredBy = (offered: Offered): string =>
  offered.length === 1 ? offered[0]!.service.provider : `${offered.length} providers`;

/** Models with the same name and files are one, whoever offers them. */
function byHash(offers: readonly OfferedModel[]): Offered[] {
  const models = Map.groupBy(offers, ({ model }) => `${model.name} ${model.hash}`);
  return [...models.values()];
}
