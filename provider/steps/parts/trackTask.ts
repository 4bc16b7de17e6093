import { formatTaskId } from "../../../sdk/ids.ts";
import type { Hyperparameters } from "../../../sdk/training/Hyperparameters.ts";
import { jobPaths } from "../../files/jobPaths.ts";
import { type Tracking, trackTraining } from "../../online/trackTraining.ts";
import type { JobRecord } from "../../store/Store.ts";
import type { StepContext } from "./StepContext.ts";
import { awaitSecrets } from "./taskSecrets.ts";

/** A training run without tracking, with an optional warning for its user. */
function untracked(warning: string | null): Tracking {
  return { warning, end: async () => null, stop: () => undefined };
}

/** Tracks a training run in Weights & Biases if its user has requested it and sent an API token. */
export async function trackTask(
  context: StepContext,
  { id }: JobRecord,
  { wandb_project_name, wandb_name, wandb_base_url }: Hyperparameters,
  signal: AbortSignal,
): Promise<Tracking> {
  if ((wandb_project_name ?? wandb_name ?? wandb_base_url) === undefined) return untracked(null);
  if (!isAllowed(context.trackerHosts, wandb_base_url)) {
    return untracked(
      `This provider does not connect to the Weights & Biases server ${wandb_base_url}.`,
    );
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
 * Whether the daemon may connect to a host chosen by a user, who could otherwise make it connect to machines in the
 * provider's own network. ".example.org" allows all subdomains.
 */
export function isAllowed(hosts: readonly string[], baseUrl: string | undefined): boolean {
  if (baseUrl === undefined) return true;
  if (!URL.canParse(baseUrl)) return false;
  const { hostname } = new URL(baseUrl);
  return hosts.some((host) => (host.startsWith(".") ? hostname.endsWith(host) : hostname === host));
}
