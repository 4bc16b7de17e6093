import { mkdir, readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { openSecrets } from "../../../sdk/exchange/openSecrets.ts";
import type { Secrets } from "../../../sdk/exchange/secrets.ts";
import type { TaskId } from "../../../sdk/ids.ts";
import { writeAtomically } from "../../../sdk/storage/files/publishFile.ts";
import { jobPaths } from "../../files/jobPaths.ts";
import type { StepContext } from "./StepContext.ts";

/** Milliseconds for which a training run waits for secrets that its configuration refers to. */
const TIMEOUT_MS = 20_000;
const POLL_INTERVAL = 250;

/** Stores the sealed secrets of a task; `clean` removes them with the job's other files. */
export async function putSecrets(
  jobsDirectory: string,
  id: TaskId,
  sealed: Uint8Array,
): Promise<void> {
  const { directory, secrets } = jobPaths(jobsDirectory, id);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeAtomically(secrets, (temporary) => writeFile(temporary, sealed, { mode: 0o600 }));
}

/** The secrets of a task; empty if its user has sent none. */
export async function readSecrets(
  { jobsDirectory, encryptionKeys }: Pick<StepContext, "jobsDirectory" | "encryptionKeys">,
  id: TaskId,
): Promise<Secrets> {
  const sealed = await readFile(jobPaths(jobsDirectory, id).secrets).catch(() => null);
  return sealed ? encryptionKeys.open(({ secret }) => openSecrets({ secret, id, sealed })) : {};
}

/** Like `readSecrets`, but waits for secrets that may still arrive, since the task was just created. */
export async function awaitSecrets(
  context: Pick<StepContext, "jobsDirectory" | "encryptionKeys">,
  id: TaskId,
  signal: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<Secrets> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const secrets = await readSecrets(context, id);
    if (Object.keys(secrets).length > 0 || performance.now() >= deadline) return secrets;
    await sleep(POLL_INTERVAL, undefined, { signal });
  }
}
