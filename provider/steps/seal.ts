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
  const u = verifiedBlind(context.encryptionKeys, order);
  if (!u) throw keyLostError();
  const { archive } = requireFacts(facts, "archive");
  const contentRoot = await contentRootOf(paths.archive, signal);
  const s = makeDeliverableKey(context, id, { archive, contentRoot });
  const keys = { taskId: id, u, s };
  const sealed = await sealFile(paths.archive, paths.encrypted, { ...keys, signal });
  if (sealed.contentRoot !== contentRoot) throw archiveChangedError(paths.archive);
  const { root, size } = sealed;
  return { root, contentRoot, size };
};

/** The key could not be derived from what is delivered. */
function archiveChangedError(archive: string): ProviderError {
  return new ProviderError(`${archive} changed while it was sealed.`, {
    retryable: true,
    hint: "Check the disk; the archive will be sealed again.",
  });
}

/** A model sealed under another key is useless to the user, who can prove it: an expired task costs less. */
function keyLostError(): ProviderError {
  return new ProviderError("The encryption key that this task was ordered with is missing.", {
    retryable: true,
    hint: "Add it to the file encryption-keys of PROVIDER_DIR as its first line, and restart, before the training deadline.",
  });
}
