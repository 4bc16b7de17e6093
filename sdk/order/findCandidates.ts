import type { Client } from "../client.ts";
import { didYouMean } from "../didYouMean.ts";
import { ProtocolError } from "../errors.ts";
import type { CatalogueModel } from "../service/fetchCatalogue.ts";
import { findModel } from "../service/findModel.ts";
import { listServices } from "../service/listServices.ts";
import type { VerifiedProvider } from "../service/verifyProvider.ts";
import { verifyForOrder } from "./verifyForOrder.ts";

/** A verified provider that has the wanted model. */
export interface Candidate extends VerifiedProvider {
  readonly model: CatalogueModel;
}

interface FindCandidatesParameters {
  readonly modelName: string;
  /** Address of the only provider that comes into question; undefined for all that accept tasks. */
  readonly provider: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with a sentence for each provider that is left out. */
  readonly onNote?: ((sentence: string) => void) | undefined;
}

/** Milliseconds within which a provider must pass verification; the choice is made without it after that. */
const TIMEOUT_MS = 10_000;

/**
 * Finds the providers that could fine-tune a model, in the order of their registration: they pass verification, take
 * one more task of the user, and have the model.
 * @throws ProtocolError like verifyForOrder if the provider is given; "not-found" if no provider accepts tasks, "usage"
 * if none has the model.
 */
export async function findCandidates(
  client: Client,
  wanted: FindCandidatesParameters,
): Promise<Candidate[]> {
  const { modelName, provider, signal } = wanted;
  if (provider !== undefined) {
    const verified = await verifyForOrder(client, { provider, signal });
    return [{ ...verified, model: findModel(verified.catalogue, modelName) }];
  }
  const verified = await verifyAll(client, wanted);
  const candidates = verified.flatMap((answer) => {
    const model = answer.catalogue.models.find(({ name }) => name === modelName);
    return model ? [{ ...answer, model }] : [];
  });
  if (verified.length === 0) throw noProviderError();
  if (candidates.length === 0) throw unknownModelError(modelName, verified);
  return candidates;
}

/** All providers that accept tasks and pass verification. */
async function verifyAll(
  client: Client,
  { signal, onNote }: FindCandidatesParameters,
): Promise<VerifiedProvider[]> {
  const services = (await listServices(client)).filter(({ accepting }) => accepting);
  const answers = await Promise.all(
    services.map(async ({ provider }) => {
      const timeout = AbortSignal.timeout(TIMEOUT_MS);
      const either = signal ? AbortSignal.any([signal, timeout]) : timeout;
      return verifyForOrder(client, { provider, signal: either }).catch((error) => {
        signal?.throwIfAborted();
        onNote?.(`Left out ${provider}: ${error instanceof Error ? error.message : error}`);
        return null;
      });
    }),
  );
  return answers.filter((answer) => answer !== null);
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
