import { contentRootOf } from "../../sdk/exchange/PageTree.ts";
import { sealFile } from "../../sdk/exchange/seal.ts";
import { ProviderError } from "../errors.ts";
import { jobPaths } from "../files/jobPaths.ts";
import { makeDeliverableKey } from "./parts/deliverableKey.ts";
import { requireFacts } from "./parts/requireFacts.ts";
import type { StepFunction } from "./parts/StepContext.ts";
import { verifiedBlind } from "./parts/verifiedBlind.ts";

/** Encrypts the archive for the user. */
export const seal: StepFunction = async (context, { id, order, facts }, signal) => {
  const paths = jobPaths(context.jobsDirectory, id);
  const u = verifiedBlind(context.encryptionKey, order);
  if (!u) throw keyChangedError();
  const { archive } = requireFacts(facts, "archive");
  const contentRoot = await contentRootOf(paths.archive, signal);
  const s = makeDeliverableKey(context, id, { archive, contentRoot });
  const keys = { taskId: id, u, s };
  const sealed = await sealFile(paths.archive, paths.encrypted, { ...keys, signal });
  if (sealed.contentRoot !== contentRoot) throw archiveChangedError(paths.archive);
  const { root, size } = sealed;
  return { root, contentRoot, size };
};

/** The key would not follow from what is delivered. */
function archiveChangedError(archive: string): ProviderError {
  return new ProviderError(`${archive} was changed while it was sealed.`, {
    retryable: true,
    hint: "Check the disk; it is sealed again.",
  });
}

/** What is sealed under another key is garbage to the user, who proves it: an expired task costs less. */
function keyChangedError(): ProviderError {
  return new ProviderError("The encryption key is not the one that this task was ordered with.", {
    retryable: true,
    hint: "Start the daemon with the PROVIDER_ENCRYPTION_KEY of then, before the training deadline.",
  });
}
