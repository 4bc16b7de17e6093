import { mkdir, statfs } from "node:fs/promises";
import { TaskRefusedError } from "../../errors.ts";
import { weightBytes } from "../../models/Catalogue.ts";
import type { JobRecord } from "../../store/Store.ts";
import { readModel } from "./readModel.ts";
import { requireHyperparameters } from "./requireHyperparameters.ts";
import type { StepContext } from "./StepContext.ts";

/** Copies of a fully trained model on the disk: the trainer's output, the archive, and the encrypted archive. */
const COPIES = 3;

/**
 * Makes sure that the disk has space for the minimum that a task needs besides its datasets, which are already there:
 * the trained model, unless that is an adapter.
 * @throws TaskRefusedError "ProviderBusy" if it does not.
 */
export async function ensureDiskSpace(
  context: Pick<StepContext, "catalogue" | "jobsDirectory">,
  { order }: Pick<JobRecord, "order">,
): Promise<void> {
  const { lora } = requireHyperparameters(order);
  const needed = lora ? 0 : COPIES * (await weightBytes(readModel(context, order.modelHash)));
  await mkdir(context.jobsDirectory, { recursive: true, mode: 0o700 });
  const { bavail, bsize } = await statfs(context.jobsDirectory);
  if (needed <= bavail * bsize) return;
  throw new TaskRefusedError(
    "ProviderBusy",
    `The task needs ${needed} bytes of disk, more than the provider has free.`,
    "Order again with lora or later, or choose another provider.",
  );
}
