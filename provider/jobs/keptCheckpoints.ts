import { access, link, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { formatTaskId } from "../../sdk/ids.ts";
import { TaskRefused } from "../errors.ts";
import type { JobRecord } from "../store/Store.ts";
import { listFiles } from "./archive.ts";
import { readHyperparameters } from "./readHyperparameters.ts";
import { jobPaths, type StepContext } from "./StepContext.ts";

/** Where checkpoints of settled tasks are kept for `from_checkpoint`, and for how long. */
export interface KeptCheckpoints {
  readonly directory: string;
  readonly days: number;
  /** Tasks of all users whose checkpoints are kept; the oldest go first. */
  readonly tasks: number;
}

type Context = Pick<StepContext, "checkpoints" | "jobsDirectory" | "catalogue">;

/** `kept.json` beside the checkpoints of a task: who may use them, and for which model. */
const Sheet = z.object({
  user: z.string(),
  /** Hash of the base model. */
  model: z.string(),
  /** Name of the tuned model. */
  name: z.string(),
  /** Milliseconds. */
  keptAt: z.number(),
});
type Sheet = z.infer<typeof Sheet>;
const SHEET_NAME = "kept.json";

/** Files of a checkpoint that only a restart of the same training needs: twice as large as the weights. */
export const ONLY_FOR_RESUMING: readonly string[] = [
  "training.safetensors",
  "state.json",
  "COMPLETE",
];
const DAY = 24 * 60 * 60_000;

/** Keeps the weights of a settled task's checkpoints. Links cost no space; doing it twice does no harm. */
export async function keepCheckpoints(
  context: Context,
  { id, user, order }: JobRecord,
): Promise<void> {
  const { directory, days, tasks } = context.checkpoints;
  const source = jobPaths(context.jobsDirectory, id).checkpoints;
  const names = await listFiles(source).catch((): string[] => []);
  const wanted = names.filter((name) => {
    const [folder, file, ...deeper] = name.split("/");
    const isWhole = names.includes(`${folder}/COMPLETE`);
    return isWhole && file && deeper.length === 0 && !ONLY_FOR_RESUMING.includes(file);
  });
  const target = join(directory, formatTaskId(id));
  if (wanted.length === 0 || days === 0 || tasks === 0 || (await exists(target))) return;
  const { suffix } = readHyperparameters(order.config);
  const model = context.catalogue.byHash(order.model)?.name ?? order.model;
  const sheet = {
    user: user.toLowerCase(),
    model: order.model.toLowerCase(),
    name: suffix ? `${model}-${suffix}` : model,
    keptAt: Date.now(),
  } satisfies Sheet;
  await linkFiles(source, wanted, `${target}.part`);
  await writeFile(join(`${target}.part`, SHEET_NAME), `${JSON.stringify(sheet, null, 2)}\n`);
  await rename(`${target}.part`, target);
  await forgetOld(context);
}

/**
 * The directory of the checkpoint that `reference` names, {task or model name}:{step}, if it is the user's own.
 * @throws TaskRefused "ConfigInvalid" otherwise, with the same sentence for what is another user's and what is not there.
 */
export async function findCheckpoint(
  context: Context,
  { user, order }: Pick<JobRecord, "user" | "order">,
  reference: string,
): Promise<string> {
  const [name, step] = reference.split(":") as [string, string?];
  const own = (await readKept(context)).filter(
    ({ task, sheet }) =>
      sheet.user === user.toLowerCase() && (task === name.toLowerCase() || sheet.name === name),
  );
  const newest = own.at(-1);
  if (!newest) {
    throw refused(
      `This provider keeps no checkpoint of ${name} for the account that ordered.`,
      `Name a settled task of the same account, not older than ${context.checkpoints.days} days.`,
    );
  }
  if (newest.sheet.model !== order.model.toLowerCase()) {
    throw refused(
      `The checkpoint ${reference} was made from another base model than the order's.`,
      `Order the model ${newest.sheet.model}.`,
    );
  }
  const folders = await readdir(newest.path);
  const steps = folders
    .flatMap((folder) => /^step-(\d+)$/.exec(folder)?.slice(1) ?? [])
    .map(Number);
  const wanted = step === undefined ? Math.max(...steps) : Number(step);
  if (steps.includes(wanted)) return join(newest.path, `step-${wanted}`);
  throw refused(
    `${name} has no checkpoint of step ${step}.`,
    `Use one of ${steps.sort((a, b) => a - b).join(", ")}.`,
  );
}

/** Copies files by linking them, into a directory that is made anew. */
export async function linkFiles(
  source: string,
  names: readonly string[],
  target: string,
): Promise<void> {
  await rm(target, { recursive: true, force: true });
  for (const name of names) {
    await mkdir(dirname(join(target, name)), { recursive: true, mode: 0o700 });
    await link(join(source, name), join(target, name));
  }
}

async function forgetOld(context: Context): Promise<void> {
  const { days, tasks } = context.checkpoints;
  const kept = await readKept(context);
  const tooMany = kept.slice(0, Math.max(0, kept.length - tasks));
  const tooOld = kept.filter(({ sheet }) => Date.now() - sheet.keptAt > days * DAY);
  for (const { path } of [...tooMany, ...tooOld]) await rm(path, { recursive: true, force: true });
}

/** What is kept, oldest first. */
async function readKept({ checkpoints }: Context) {
  const names = await readdir(checkpoints.directory).catch(() => []);
  const kept: { task: string; path: string; sheet: Sheet }[] = [];
  for (const task of names.filter((name) => !name.endsWith(".part"))) {
    const path = join(checkpoints.directory, task);
    const text = await readFile(join(path, SHEET_NAME), "utf8").catch(() => null);
    const sheet = text === null ? null : Sheet.safeParse(JSON.parse(text));
    if (sheet?.success) kept.push({ task, path, sheet: sheet.data });
  }
  return kept.sort((a, b) => a.sheet.keptAt - b.sheet.keptAt);
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

function refused(message: string, hint: string): TaskRefused {
  return new TaskRefused("ConfigInvalid", message, hint);
}
