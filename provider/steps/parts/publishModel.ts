import { join } from "node:path";
import { formatTaskId } from "../../../sdk/ids.ts";
import { copyOutput } from "../../files/JobOutput.ts";
import { jobPaths } from "../../files/jobPaths.ts";
import { removeTree } from "../../files/removeTree.ts";
import { appendWarning } from "../../journal/Journal.ts";
import { uploadToHub } from "../../online/hub.ts";
import type { JobRecord } from "../../store/Store.ts";
import { listModel } from "./modelFiles.ts";
import { requireHyperparameters } from "./requireHyperparameters.ts";
import type { StepContext } from "./StepContext.ts";
import { readSecrets } from "./taskSecrets.ts";

/** Milliseconds: enough for some gigabytes. A hub that hangs must not delay other uploads for long. */
const TIMEOUT_MS = 60 * 60_000;

/** The hub repository for the model of a settled task; null if there is nothing to upload. */
export function outputRepository({ job, order }: Pick<JobRecord, "job" | "order">): string | null {
  if (job.chain !== "Settled" || job.settlement) return null;
  return requireHyperparameters(order).hf_output_repo_name ?? null;
}

/**
 * Uploads a settled task's model to the hub repository that its user named. Not earlier: a user who already has the
 * model has no reason to acknowledge its delivery. A failure becomes a warning in the task's log.
 */
export async function publishModel(
  context: StepContext,
  record: JobRecord,
  signal: AbortSignal,
): Promise<void> {
  const { id } = record;
  const repository = outputRepository(record);
  if (repository === null) return;
  const { events, ...paths } = jobPaths(context.jobsDirectory, id);
  try {
    const { hfApiToken } = await readSecrets(context, id);
    await copyModel(paths, context.maxJobBytes, signal);
    const upload = { directory: paths.published, repository, message: `Task ${formatTaskId(id)}` };
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const url = await uploadToHub(context.online, upload, hfApiToken, deadline);
    context.log.info({ task: formatTaskId(id), url }, "model uploaded");
  } catch (error) {
    signal.throwIfAborted();
    const { message } = error as Error;
    const warning = `The model was not uploaded to ${repository}: ${message}`;
    await appendWarning(events, warning).catch(() => undefined); // the job's directory may be gone
  }
}

/** The uploading process opens files by name, so it gets copies in a directory that no training run can write to. */
async function copyModel(
  { work, published }: Pick<ReturnType<typeof jobPaths>, "work" | "published">,
  maxBytes: number,
  signal: AbortSignal,
): Promise<void> {
  await removeTree(published);
  for (const { name, file } of await listModel(work, maxBytes))
    await copyOutput(work, file, join(published, name), signal);
}
