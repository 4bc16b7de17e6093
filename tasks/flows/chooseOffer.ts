import type { Client } from "../../sdk/client.ts";
import { didYouMean } from "../../sdk/didYouMean.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import type { CatalogueModel } from "../../sdk/service/fetchCatalogue.ts";
import { isBusy } from "../../sdk/service/fetchQueue.ts";
import { findModel } from "../../sdk/service/findModel.ts";
import { listServices } from "../../sdk/service/listServices.ts";
import { rankServices } from "../../sdk/service/rankServices.ts";
import type { VerifiedProvider } from "../../sdk/service/verifyProvider.ts";
import { checkDatasetBytes, datasetBytes } from "../../sdk/task/checkDatasetBytes.ts";
import { type Quote, quote } from "../../sdk/task/quote.ts";
import type { Hyperparameters } from "../../sdk/training/Hyperparameters.ts";
import { invalidDataset, showProblems } from "../terminal/datasetProblems.ts";
import { type Choice, explainChoice } from "../terminal/explainChoice.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { checkAsModel } from "./checkAsModel.ts";
import { countFor, countValidation } from "./countFor.ts";
import { verifyForOrder } from "./verifyForOrder.ts";

type Wallet = Client & { readonly address: string };

/** A verified provider that has the wanted model. */
interface Candidate extends VerifiedProvider {
  readonly model: CatalogueModel;
}

/** A candidate's price for a training. */
export interface Offer extends Candidate {
  readonly rows: number;
  readonly offer: Quote;
}

/** The offer to order, and why; `choice` is null if the provider was given. */
export interface ChosenOffer extends Offer {
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

/** Milliseconds within which a provider must pass verification; the choice is made without it after that. */
const TIMEOUT_MS = 10_000;

/**
 * Chooses the provider: the given one, or else the best one by `rankServices`, and says why. For that, checks and counts
 * the dataset as each provider will.
 * @throws ProtocolError "dataset-invalid" after showing all problems, or if no provider takes a dataset of its size, "usage" if no provider has the model.
 */
export async function chooseOffer(
  client: Wallet,
  wanted: Wanted,
  terminal: Terminal,
): Promise<ChosenOffer> {
  const { name, provider } = wanted;
  const found =
    provider === undefined
      ? await findCandidates(client, name, terminal)
      : [await verifyOne(client, provider, name, terminal)];
  const offers = await priceAll(await takingDatasets(found, wanted, terminal), wanted, terminal);
  if (provider !== undefined) return { ...offers[0]!, choice: null };
  const now = Date.now() / 1_000; // whether a failure is a week old needs no request to the chain
  const ranked = rankServices({ candidates: offers.map(asCandidate), now });
  const choice = explainChoice(ranked, name, now);
  terminal.say(choice.reason);
  return { ...ranked[0]!.of, choice };
}

/** An offer as it is ranked. The list of services, and so that of offers, is in the order of registration. */
function asCandidate(of: Offer, seniority: number) {
  const { service, offer, queue } = of;
  return { service, fee: offer.fee, free: !isBusy(queue), seniority, of };
}

async function verifyOne(
  client: Wallet,
  provider: string,
  name: string,
  terminal: Terminal,
): Promise<Candidate> {
  terminal.say("Verify provider...");
  const verified = await verifyForOrder(client, { provider });
  terminal.say("Provider verified");
  return { ...verified, model: findModel(verified.catalogue, name) };
}

/** All providers that accept tasks, pass verification and have the model. */
async function findCandidates(
  client: Wallet,
  name: string,
  terminal: Terminal,
): Promise<Candidate[]> {
  terminal.say("Verify providers...");
  const services = (await listServices(client)).filter(({ accepting }) => accepting);
  const answers = await Promise.all(
    services.map(async ({ provider }) => {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      return verifyForOrder(client, { provider, signal }).catch((error) => {
        terminal.note(`Left out ${provider}: ${reasonOf(error)}`);
        return null;
      });
    }),
  );
  const verified = answers.filter((answer) => answer !== null);
  const candidates = verified.flatMap((answer) => {
    const model = answer.catalogue.models.find((each) => each.name === name);
    return model ? [{ ...answer, model }] : [];
  });
  if (verified.length === 0) throw noProviderError();
  if (candidates.length === 0) throw unknownModelError(name, verified);
  return candidates;
}

/**
 * The candidates that take datasets of these sizes; a note names those left out.
 * @throws ProtocolError "dataset-invalid" if there is none.
 */
async function takingDatasets(
  candidates: readonly Candidate[],
  { path: training, validationPath: validation }: Wanted,
  terminal: Terminal,
): Promise<Candidate[]> {
  const paths = validation === undefined ? [training] : [training, validation];
  const sizes = await Promise.all(
    paths.map(async (path) => ({ path, bytes: await datasetBytes(path) })),
  );
  const refusals: unknown[] = [];
  const taking = candidates.filter((candidate) => {
    try {
      for (const size of sizes) checkDatasetBytes({ ...candidate, ...size });
      return true;
    } catch (error) {
      refusals.push(error);
      return false;
    }
  });
  if (taking.length === 0) throw refusals[0];
  for (const error of refusals) terminal.note(`Left out: ${reasonOf(error)}`);
  return taking;
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Prices the training for each provider; equal counts are computed once. */
async function priceAll(
  candidates: readonly Candidate[],
  wanted: Wanted,
  terminal: Terminal,
): Promise<Offer[]> {
  const checked = new Set<string>();
  const counted = new Map<string, Counted>();
  const offers: Offer[] = [];
  for (const candidate of candidates) {
    const { service, model } = candidate;
    const seenBy = `${model.kind} ${model.tokenizerHash} ${model.maxLength}`;
    if (!checked.has(seenBy)) await check(candidate, wanted, terminal);
    checked.add(seenBy);
    const key = `${service.unit} ${model.kind} ${model.tokenizerHash}`;
    const count = counted.get(key) ?? (await countBoth(candidate, wanted, terminal));
    counted.set(key, count);
    const { rows, ...sizes } = count;
    const offer = quote({ service, model, config: wanted.config, ...sizes });
    offers.push({ ...candidate, rows, offer });
  }
  return offers;
}

/** Rows of the training dataset, and the sizes of both datasets in a service's unit. */
interface Counted {
  readonly rows: number;
  readonly dataSize: bigint;
  readonly validationSize: bigint;
}

async function countBoth(
  candidate: Candidate,
  { path, validationPath }: Wanted,
  terminal: Terminal,
): Promise<Counted> {
  const { rows, dataSize } = await countFor(path, candidate);
  const validationSize =
    validationPath === undefined ? 0n : await countValidation(validationPath, candidate, terminal);
  return { rows, dataSize, validationSize };
}

async function check(candidate: Candidate, { path, config }: Wanted, terminal: Terminal) {
  const report = await checkAsModel(path, candidate, config, terminal);
  showProblems(terminal, report);
  if (report.errors > 0) throw invalidDataset(path, report, candidate.model.name);
}

const noProviderError = () =>
  new ProtocolError(
    "not-found",
    "No provider accepts tasks on this network at the moment.",
    "Try again later.",
    { next: { verb: "listServices" } },
  );

function unknownModelError(name: string, verified: readonly VerifiedProvider[]): ProtocolError {
  const names = verified.flatMap(({ catalogue }) => catalogue.models.map((model) => model.name));
  const closest = didYouMean(name, names);
  return new ProtocolError(
    "usage",
    `No available provider has a model named "${name}".`,
    closest ? `Did you mean "${closest}"?` : "See what there is.",
    closest ? {} : { next: { verb: "fetchCatalogue" } },
  );
}
