import type { DatasetReport } from "../../sdk/dataset/checking/checkDataset.ts";
import type { DatasetKind } from "../../sdk/dataset/formats/DatasetRow.ts";
import { findModel } from "../../sdk/service/findModel.ts";
import type { Environment } from "../Environment.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { checkAsModel } from "./checkAsModel.ts";
import { fetchOffers } from "./fetchOffers.ts";

interface Wanted {
  /** Name of the model. */
  readonly model: string;
  /** Address of the provider that offers it; default: any. */
  readonly provider: string | undefined;
}

/** Checks a dataset as an offered model sees it. */
export async function checkAsOffered(
  path: string,
  { model, provider }: Wanted,
  environment: Environment,
  terminal: Terminal,
): Promise<{ kind: DatasetKind; report: DatasetReport }> {
  const client = await environment.reader();
  const offers = await fetchOffers(client, provider, terminal);
  const found = findModel({ models: offers.map((offer) => offer.model) }, model);
  const { service } = offers.find((each) => each.model === found)!;
  const report = await checkAsModel(path, { service, model: found }, {}, terminal);
  return { kind: found.kind, report };
}
