import { formatTaskId } from "../../../sdk/ids.ts";
import type { Hyperparameters } from "../../../sdk/training/Hyperparameters.ts";
import { jobPaths } from "../../files/jobPaths.ts";
import { type Tracking, trackTraining } from "../../online/trackTraining.ts";
import type { JobRecord } from "../../store/Store.ts";
import type { StepContext } from "./StepContext.ts";
import { awaitSecrets } from "./taskSecrets.ts";

/** A training that is not tracked, and why its user might wonder. */
function untracked(warning: string | null): Tracking {
  return { warning, end: async () => null, stop: () => undefined };
}

/** Shows a training in Weights & Biases where its user has asked for it and sent a key. */
export async function trackTask(
  context: StepContext,
  { id }: JobRecord,
  { wandb_project_name, wandb_name, wandb_base_url }: Hyperparameters,
  signal: AbortSignal,
): Promise<Tracking> {
  if ((wandb_project_name ?? wandb_name ?? wandb_base_url) === undefined) return untracked(null);
  if (!isAllowed(context.trackerHosts, wandb_base_url)) {
    return untracked(`This provider connects to no Weights & Biases server at ${wandb_base_url}.`);
  }
  const { wandbApiKey } = await awaitSecrets(context, id, signal);
  const { events, offlineRun } = jobPaths(context.jobsDirectory, id);
  const run = {
    events,
    id: formatTaskId(id),
    project: wandb_project_name,
    name: wandb_name,
    baseUrl: wandb_base_url,
    offline: offlineRun,
  };
  return trackTraining(context.online, run, wandbApiKey);
}

/**
 * Whether the daemon may connect there for a user, who could otherwise make it speak to machines that only the
 * provider reaches. ".example.org" allows all hosts below that domain.
 */
export function isAllowed(hosts: readonly string[], baseUrl: string | undefined): boolean {
  if (baseUrl === undefined) return true;
  if (!URL.canParse(baseUrl)) return false;
  const { hostname } = new URL(baseUrl);
  return hosts.some((host) => (host.startsWith(".") ? hostname.endsWith(host) : hostname === host));
}
