import type { DatasetReport } from "../../sdk/dataset/checking/checkDataset.ts";
import type { DatasetKind } from "../../sdk/dataset/formats/DatasetRow.ts";
import type { Environment } from "../Environment.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { checkAsModel } from "./checkAsModel.ts";
import { findOffer, type WantedModel } from "./findOffer.ts";

/** Checks a dataset as an offered model sees it. */
export async function checkAsOffered(
  path: string,
  wanted: WantedModel,
  environment: Environment,
  terminal: Terminal,
): Promise<{ kind: DatasetKind; report: DatasetReport }> {
  const offer = await findOffer(wanted, environment, terminal);
  const report = await checkAsModel(path, offer, {}, terminal);
  return { kind: offer.model.kind, report };
}
