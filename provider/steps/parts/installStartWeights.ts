import { rename, rm } from "node:fs/promises";
import { pathExists } from "../../../sdk/storage/files/pathExists.ts";
import type { Hyperparameters } from "../../../sdk/training/Hyperparameters.ts";
import { TaskRefusedError } from "../../errors.ts";
import { jobPaths } from "../../files/jobPaths.ts";
import { fetchFromHub } from "../../online/hub.ts";
import { OnlineRefusedError } from "../../online/runOnline.ts";
import type { JobRecord } from "../../store/Store.ts";
import { copyCheckpoint, findCheckpoint } from "./keptCheckpoints.ts";
import { readModel } from "./readModel.ts";
import type { StepContext } from "./StepContext.ts";
import { awaitSecrets } from "./taskSecrets.ts";

/**
 * Installs the weights that the training starts from, instead of the base model's, into start/. Existing weights are
 * kept: a branch may have moved since, and a resumed training run needs the same weights.
 * @returns the kind of start weights for job.json; null for the base model.
 * @throws TaskRefusedError "ConfigInvalid" for weights that are not available to this user.
 */
export async function installStartWeights(
  context: StepContext,
  record: JobRecord,
  { from_checkpoint, from_hf_model, hf_model_revision }: Hyperparameters,
  signal: AbortSignal,
): Promise<"checkpoint" | "hub" | null> {
  const { start } = jobPaths(context.jobsDirectory, record.id);
  if (from_checkpoint === undefined && from_hf_model === undefined) {
    await rm(start, { recursive: true, force: true });
    return null;
  }
  const kind = from_checkpoint === undefined ? "hub" : "checkpoint";
  if (await pathExists(start)) return kind;
  if (from_checkpoint !== undefined) {
    const source = await findCheckpoint(context, record, from_checkpoint);
    await copyCheckpoint(source, `${start}.copied`);
    await rename(`${start}.copied`, start);
  } else {
    const model = { repository: from_hf_model!, revision: hf_model_revision };
    await fetchStart(context, record, model, start, signal);
  }
  return kind;
}

async function fetchStart(
  context: StepContext,
  { id, order }: JobRecord,
  model: Parameters<typeof fetchFromHub>[1],
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const { online, maxModelBytes: maxBytes } = context;
  const { directory: base } = readModel(context, order.modelHash);
  const { hfApiToken: token } = await awaitSecrets(context, id, signal);
  try {
    await fetchFromHub(online, model, { target, token, maxBytes, base }, signal);
  } catch (error) {
    if (!(error instanceof OnlineRefusedError)) throw error;
    throw new TaskRefusedError("ConfigInvalid", error.message, error.hint, error);
  }
}
