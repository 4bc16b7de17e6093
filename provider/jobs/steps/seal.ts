import { sealFile } from "../../../sdk/exchange/seal.ts";
import { ProviderError } from "../../errors.ts";
import { agreedBlind } from "../agreedBlind.ts";
import { makeDeliverableKey } from "../deliverableKey.ts";
import { jobPaths, type StepFunction } from "../StepContext.ts";

/** Encrypts the archive for the user. */
export const seal: StepFunction = async (context, { id, order, facts }, signal) => {
  const paths = jobPaths(context.jobsDirectory, id);
  const u = agreedBlind(context.encryptionKey, order);
  if (!u) throw keyChanged();
  const s = makeDeliverableKey(context, id, facts.archive!);
  const { root, contentRoot, size } = await sealFile(paths.archive, paths.encrypted, {
    taskId: id,
    u,
    s,
    signal,
  });
  return { root, contentRoot, size };
};

/** What is sealed under another key is garbage to the user, who proves it: an expired task costs less. */
function keyChanged(): ProviderError {
  return new ProviderError("The encryption key is not the one that this task was ordered with.", {
    retryable: true,
    hint: "Start the daemon with the PROVIDER_ENCRYPTION_KEY of then, before the training deadline.",
  });
}
