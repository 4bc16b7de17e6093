import type { Client } from "../../sdk/client.ts";
import type { DatasetReport } from "../../sdk/dataset/checking/checkDataset.ts";
import { type Candidate, findCandidates } from "../../sdk/order/findCandidates.ts";
import { type Offer, priceOffers } from "../../sdk/order/priceOffers.ts";
import { rankOffers } from "../../sdk/order/rankOffers.ts";
import type { Hyperparameters } from "../../sdk/training/Hyperparameters.ts";
import { memoryFolder } from "../memory.ts";
import { invalidDataset, showProblems } from "../terminal/datasetProblems.ts";
import { type Choice, explainChoice } from "../terminal/explainChoice.ts";
import type { Terminal } from "../terminal/Terminal.ts";

/** The offer to order, and why; `choice` is null if the provider was given. */
export interface ChosenOffer extends Omit<Offer, "quote"> {
  readonly offer: Offer["quote"];
  readonly choice: Choice | null;
}

/** The model to train and its datasets. */
interface Wanted {
  /** Name of the model. */
  readonly name: string;
  readonly path: string;
  readonly validationPath: string | undefined;
  readonly config: Hyperparameters;
  /** Undefined to choose the best one. */
  readonly provider: string | undefined;
}

/**
 * Chooses the provider: the given one, or else the best one by `rankServices`, and says why.
 * @throws ProtocolError "dataset-invalid" after showing all problems, or if no provider takes a dataset of its size,
 * "usage" if no provider has the model.
 */
export async function chooseOffer(
  client: Client,
  { name, path, validationPath, config, provider }: Wanted,
  terminal: Terminal,
): Promise<ChosenOffer> {
  const { note: onNote } = terminal;
  terminal.say(provider === undefined ? "Verify providers..." : "Verify provider...");
  const candidates = await findCandidates(client, { modelName: name, provider, onNote });
  if (provider !== undefined) terminal.say("Provider verified");
  const offers = await priceOffers(candidates, {
    trainingFile: path,
    validationFile: validationPath,
    config,
    memory: memoryFolder("datasets"),
    onNote,
    onReport: (report, { model }) => showReport(terminal, path, report, model),
  });
  const now = Date.now() / 1_000; // whether a failure is a week old needs no request to the chain
  const ranked = rankOffers(offers, now);
  const { quote, ...best } = ranked[0]!.offer;
  if (provider !== undefined) return { ...best, offer: quote, choice: null };
  const choice = explainChoice(ranked, name, now);
  terminal.say(choice.reason);
  return { ...best, offer: quote, choice };
}

function showReport(
  terminal: Terminal,
  path: string,
  report: DatasetReport,
  { name }: Candidate["model"],
): void {
  showProblems(terminal, report);
  if (report.errors > 0) throw invalidDataset(path, report, name);
}
