import { upload } from "../../../sdk/storage/upload.ts";
import { ProviderError } from "../../errors.ts";
import { jobPaths, type StepFunction } from "../StepContext.ts";

/** Puts the encrypted model into storage, where the user will fetch it. */
export const uploadDeliverable: StepFunction = async (context, { id, facts }, signal) => {
  const { encrypted } = jobPaths(context.jobsDirectory, id);
  const { root } = await upload(context.client.storageUrl, encrypted, { signal });
  if (root === facts.root) return {};
  throw new ProviderError(`${encrypted} was changed after it was sealed.`, {
    retryable: true,
    hint: "Check the disk; delete the file's task directory only if the task is over.",
  });
};
