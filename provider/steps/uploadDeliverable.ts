import { requireSigner } from "../../sdk/client.ts";
import type { Payer } from "../../sdk/storage/transfer/TransferOptions.ts";
import { upload } from "../../sdk/storage/upload.ts";
import { ProviderError } from "../errors.ts";
import { jobPaths } from "../files/jobPaths.ts";
import type { StepFunction } from "./parts/StepContext.ts";

/** Uploads the encrypted model to the storage from which the user downloads it. */
export const uploadDeliverable: StepFunction = async (context, { id, facts }, signal) => {
  const { encrypted } = jobPaths(context.jobsDirectory, id);
  const payer = async (): Promise<Payer> => ({
    chainId: context.client.chainId,
    provider: context.client.provider,
    address: await requireSigner(context.client).getAddress(),
    // Storage that already has the announcement is not paid again: the upload checks that first.
    submit: (call) =>
      context.submitter.submit({ id, step: "upload", call, isDone: async () => false }, signal),
  });
  const { root } = await upload(context.client.storageUrl, encrypted, { signal, payer });
  if (root === facts.root) return {};
  throw new ProviderError(`${encrypted} changed after it was sealed.`, {
    retryable: true,
    hint: "Check the disk; delete the file's task directory only if the task has ended.",
  });
};
