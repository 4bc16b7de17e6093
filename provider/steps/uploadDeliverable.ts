import type { Payer } from "../../sdk/storage/transfer/TransferOptions.ts";
import { upload } from "../../sdk/storage/upload.ts";
import { ProviderError } from "../errors.ts";
import { jobPaths } from "../files/jobPaths.ts";
import type { StepFunction } from "./parts/StepContext.ts";

/** Puts the encrypted model into storage, where the user will fetch it. */
export const uploadDeliverable: StepFunction = async (context, { id, facts }, signal) => {
  const { encrypted } = jobPaths(context.jobsDirectory, id);
  const payer = async (): Promise<Payer> => ({
    chainId: context.client.chainId,
    provider: context.client.provider,
    address: context.provider,
    // Storage that knows of the announcement is not paid again: the step asks it first.
    submit: (call) =>
      context.submitter.submit({ id, step: "upload", call, isDone: async () => false }, signal),
  });
  const { root } = await upload(context.client.storageUrl, encrypted, { signal, payer });
  if (root === facts.root) return {};
  throw new ProviderError(`${encrypted} was changed after it was sealed.`, {
    retryable: true,
    hint: "Check the disk; delete the file's task directory only if the task is over.",
  });
};
