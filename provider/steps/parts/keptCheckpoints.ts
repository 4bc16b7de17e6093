import { constants } from "node:fs";
import { cp, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { tunedModelName } from "../../../sdk/deliverable/tunedModelName.ts";
import { formatTaskId } from "../../../sdk/ids.ts";
import { pathExists } from "../../../sdk/storage/files/pathExists.ts";
import { ProviderError, TaskRefusedError } from "../../errors.ts";
import { copyOutput } from "../../files/JobOutput.ts";
import { jobPaths } from "../../files/jobPaths.ts";
import type { JobRecord } from "../../store/Store.ts";
import { isWeights, listCheckpoints } from "./modelFiles.ts";
import { requireHyperparameters } from "./requireHyperparameters.ts";
import type { StepContext } from "./StepContext.ts";

type KeepContext = Pick<StepContext, "checkpoints" | "jobsDirectory" | "catalogue" | "maxJobBytes">;
type FindContext = Pick<StepContext, "checkpoints" | "store">;
type Context = Pick<StepContext, "checkpoints">;

/** `kept.json` next to the checkpoints of a task: who may use them, and for which model. */
const Manifest = z.object({
  user: z.string(),
  /** Hash of the base model. */
  model: z.string(),
  /** Name of the tuned model. */
  name: z.string(),
  /** Milliseconds. */
  keptAt: z.number(),
});
type Manifest = z.infer<typeof Manifest>;
const MANIFEST_NAME = "kept.json";

const DAY = 24 * 60 * 60_000;

/** Keeps copies of the weights of a settled task's checkpoints. Idempotent. */
export async function keepCheckpoints(
  context: KeepContext,
  { id, user, order }: JobRecord,
  signal: AbortSignal,
): Promise<void> {
  const { directory, days, tasks } = context.checkpoints;
  const { work } = jobPaths(context.jobsDirectory, id);
  const files = await listCheckpoints(work, context.maxJobBytes);
  const names = new Set(files.map(({ name }) => name));
  const wanted = files.filter(
    ({ name }) => isWeights(name) && names.has(`${dirname(name)}/COMPLETE`),
  );
  const target = join(directory, formatTaskId(id));
  if (wanted.length === 0 || days === 0 || tasks === 0 || (await pathExists(target))) return;
  const { suffix } = requireHyperparameters(order);
  const model = context.catalogue.byHash(order.modelHash)?.name ?? order.modelHash;
  const manifest = {
    user: user.toLowerCase(),
    model: order.modelHash.toLowerCase(),
    name: tunedModelName(model, suffix),
    keptAt: Date.now(),
  } satisfies Manifest;
  await rm(`${target}.part`, { recursive: true, force: true });
  await mkdir(`${target}.part`, { recursive: true, mode: 0o700 });
  for (const { name, file } of wanted)
    await copyOutput(work, file, join(`${target}.part`, name), signal);
  await writeFile(join(`${target}.part`, MANIFEST_NAME), `${JSON.stringify(manifest, null, 2)}\n`);
  await rename(`${target}.part`, target);
  await forgetOld(context);
}

/**
 * The directory of the checkpoint named by `reference`, {task or model name}:{step}, if it belongs to the user.
 * @throws TaskRefusedError "ConfigInvalid" otherwise, with the same message for another user's as for a missing one.
 * @throws ProviderError, retryable, while the checkpoints of a settled task of this user are still to be kept.
 */
export async function findCheckpoint(
  context: FindContext,
  { user, order }: Pick<JobRecord, "user" | "order">,
  reference: string,
): Promise<string> {
  const [name, step] = reference.split(":") as [string, string?];
  await requireAllKept(context, user);
  const own = (await readKept(context)).filter(
    ({ task, manifest }) =>
      manifest.user === user.toLowerCase() &&
      (task === name.toLowerCase() || manifest.name === name),
  );
  const newest = own.at(-1);
  if (!newest) {
    throw checkpointError(
      `This provider keeps no checkpoint of ${name} for the account that ordered.`,
      `Name a settled task of the same account, not older than ${context.checkpoints.days} days.`,
    );
  }
  if (newest.manifest.model !== order.modelHash.toLowerCase()) {
    throw checkpointError(
      `The checkpoint ${reference} was made from another base model than the order's.`,
      `Order the model ${newest.manifest.model}.`,
    );
  }
  const folders = await readdir(newest.path);
  const steps = folders
    .flatMap((folder) => /^step-(\d+)$/.exec(folder)?.slice(1) ?? [])
    .map(Number);
  const wanted = step === undefined ? Math.max(...steps) : Number(step);
  if (steps.includes(wanted)) return join(newest.path, `step-${wanted}`);
  throw checkpointError(
    `${name} has no checkpoint of step ${step}.`,
    `Use one of ${steps.sort((a, b) => a - b).join(", ")}.`,
  );
}

/** A user may order the continuation of a task as soon as it is settled, which is before its files are moved. */
async function requireAllKept({ checkpoints, store }: FindContext, user: string): Promise<void> {
  const settled = store
    .openJobs()
    .filter(({ job }) => job.chain === "Settled" && !job.settlement)
    .filter((record) => record.user.toLowerCase() === user.toLowerCase());
  for (const { id } of settled) {
    if (await pathExists(join(checkpoints.directory, formatTaskId(id)))) continue;
    throw new ProviderError(`The checkpoints of ${formatTaskId(id)} are not kept yet.`, {
      retryable: true,
      hint: "The order that continues from them is checked again once they are.",
    });
  }
}

/** Copies a kept checkpoint. Not as hard links, which would let either side change the other's files. */
export async function copyCheckpoint(source: string, target: string): Promise<void> {
  await rm(target, { recursive: true, force: true });
  await cp(source, target, {
    recursive: true,
    mode: constants.COPYFILE_FICLONE,
    verbatimSymlinks: true,
    filter: async (path) => !(await lstat(path)).isSymbolicLink(),
  });
}

async function forgetOld(context: Context): Promise<void> {
  const { days, tasks } = context.checkpoints;
  const kept = await readKept(context);
  const tooMany = kept.slice(0, Math.max(0, kept.length - tasks));
  const tooOld = kept.filter(({ manifest }) => Date.now() - manifest.keptAt > days * DAY);
  for (const { path } of [...tooMany, ...tooOld]) await rm(path, { recursive: true, force: true });
}

/** All kept checkpoints, oldest first. */
async function readKept({ checkpoints }: Context) {
  const names = await readdir(checkpoints.directory).catch(() => []);
  const kept: { task: string; path: string; manifest: Manifest }[] = [];
  for (const task of names.filter((name) => !name.endsWith(".part"))) {
    const path = join(checkpoints.directory, task);
    const text = await readFile(join(path, MANIFEST_NAME), "utf8").catch(() => null);
    const manifest = text === null ? null : Manifest.safeParse(JSON.parse(text));
    if (manifest?.success) kept.push({ task, path, manifest: manifest.data });
  }
  return kept.sort((a, b) => a.manifest.keptAt - b.manifest.keptAt);
}

function checkpointError(message: string, hint: string): TaskRefusedError {
  return new TaskRefusedError("ConfigInvalid", message, hint);
}
