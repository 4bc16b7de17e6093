import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Client } from "../../sdk/client.ts";
import { unknownStepError } from "../../sdk/deliverable/chooseFiles.ts";
import { holdsDeliverable } from "../../sdk/deliverable/downloadDeliverable.ts";
import { modelFormat } from "../../sdk/deliverable/modelFormat.ts";
import { awaitsAcknowledgement } from "../../sdk/deliverable/prepareAcknowledgement.ts";
import { readProvenance } from "../../sdk/deliverable/readProvenance.ts";
import { writeModel } from "../../sdk/deliverable/writeModel.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { geometryOf } from "../../sdk/exchange/geometry.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import type { Service } from "../../sdk/service/Service.ts";
import { checkOutput } from "../../sdk/storage/files/checkOutput.ts";
import { ensureDiskSpace } from "../../sdk/storage/files/ensureDiskSpace.ts";
import { partPathOf } from "../../sdk/storage/files/publishFile.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { listCheckpoints } from "../../sdk/task/listCheckpoints.ts";
import { readStanding } from "../../sdk/task/readStanding.ts";
import type { Task } from "../../sdk/task/Task.ts";
import type { Environment } from "../Environment.ts";
import { findModelName } from "../flags/modelName.ts";
import { outputPath } from "../flags/outputPath.ts";
import { sayOutcome } from "../terminal/sayOutcome.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { askStatus, failureError, viewTask } from "../terminal/taskView.ts";
import { unpackCommand } from "../terminal/unpackCommand.ts";
import { untilInterrupted } from "../terminal/untilInterrupted.ts";
import { acknowledgeTask } from "./acknowledgeTask.ts";
import { confirmModel } from "./confirmModel.ts";
import { openModel } from "./openModel.ts";
import { type ReceivingFlags, receiveDelivery } from "./receiveDelivery.ts";
import { waitForTask } from "./waitForTask.ts";

type Wallet = Client & { readonly address: string };

/** The model to write, and how long to wait for the key. */
export interface WantedModel {
  /**
   * A file or a directory; default: `<MODEL-NAME>.tar.zst` in the current directory, or a name with the task's id if
   * that exists.
   */
  readonly output: string | undefined;
  /** Step of a checkpoint; null for the latest weights. */
  readonly step: number | null;
  /** Milliseconds; undefined for no limit. */
  readonly timeout: number | undefined;
  /** Replace an existing file. */
  readonly force: boolean;
  /** Of --task-key. */
  readonly taskKey: Uint8Array | undefined;
}

/** The context of a command. */
export interface Setting {
  readonly client: Wallet;
  readonly flags: ReceivingFlags;
  readonly terminal: Terminal;
  readonly environment: Environment;
}

/**
 * All steps from a delivery to a model on disk: download, acknowledge, wait for the key, decrypt and verify, confirm,
 * write. After an interruption, another run resumes from the state on chain and on disk. Misbehaviour is proved if it
 * is found.
 */
export async function fetchModel(setting: Setting, found: Task, wanted: WantedModel) {
  const { client, flags, terminal } = setting;
  const id = formatTaskId(found.id);
  const { name, service, path, stamp, isDone, check } = await findOutput(client, found, wanted);
  const document = { id, path, step: wanted.step };
  if (isDone) {
    terminal.say(`${path} already contains this model.`);
    terminal.next(await unpackCommand(path));
    return { ...document, acknowledged: null, confirmed: null };
  }
  await refuseEnded(setting, found);
  requireDelivery(setting, found);
  await checkStep(client, service, found, wanted);
  if (flags.dryRun) return planNext(setting, found);

  const encryptedPath = join(dirname(path), `${id}.encrypted`);
  const archivePath = join(dirname(path), `${id}.decrypted`);
  await prepareTemporaries(found, encryptedPath, archivePath);
  const acknowledged = await receive(setting, found, encryptedPath);
  const task = await waitForKey(setting, found, wanted.timeout);
  const { taskKey } = wanted;
  const places = { service, taskKey, encryptedPath, outputPath: archivePath };
  await openModel(client, task, places, flags, terminal);
  terminal.say("Decrypted: every page is what the provider committed to.");
  const { transaction } = await confirmModel(client, task, flags, terminal);
  await check(); // waiting for the key may have taken days
  await untilInterrupted(interruptedError("The writing"), (signal) =>
    writeModel(archivePath, path, { name, step: wanted.step, stamp, signal }),
  );
  for (const temporary of [archivePath, encryptedPath]) await rm(temporary, { force: true });
  terminal.say(`Model written to ${path}.`);
  sayOutcome(terminal, task, service && (await askStatus(client, service, task)));
  terminal.next(await unpackCommand(path));
  return { ...document, acknowledged, confirmed: transaction };
}

/**
 * Determines the output file for a task's model.
 * @throws ProtocolError "usage" if another file exists there, or the extension is not a model format.
 */
export async function findOutput(
  client: Client,
  task: Task,
  wanted: Pick<WantedModel, "output" | "step" | "force">,
) {
  const { output, step, force } = wanted;
  const id = formatTaskId(task.id);
  const { name, service } = await findModelName(client, task);
  const stamp = `anneal ${id} ${step ?? "latest"}`;
  const typed = await outputPath(output, { name, id, step, stamp });
  modelFormat(typed);
  const isResult = async (place: string) => (await readProvenance(place)) === stamp;
  const check = () => checkOutput(typed, { force, isResult });
  return { name, service, stamp, check, ...(await check()) };
}

/** Whether the key is published, which no deadline undoes. */
const hasKey = ({ state, size }: Task) => state === "Revealed" || (state === "Settled" && size > 0);

/** Refuses a task that will never have a key. */
async function refuseEnded({ client, environment }: Setting, task: Task): Promise<void> {
  if (hasKey(task) || (await readStanding(client, task)).failure === null) return;
  throw failureError(await viewTask(client, task), environment);
}

/** @throws ProtocolError "too-early" before the delivery. */
function requireDelivery({ environment }: Setting, { id, root }: Task): void {
  if (root !== null) return;
  const uuid = formatTaskId(id);
  throw new ProtocolError(
    "too-early",
    `The provider has not delivered the model of task ${uuid}.`,
    `See its progress: ${environment.command(`fine-tuning follow ${uuid}`)}`,
  );
}

/**
 * Compares the wanted step with the checkpoints that the provider has reported, before anything is paid. The model
 * itself has the last word.
 */
async function checkStep(
  client: Client,
  service: Service | null,
  { id }: Task,
  { step }: WantedModel,
): Promise<void> {
  if (step === null || service === null) return;
  const checkpoints = await listCheckpoints(client, { service, id }).catch(ignoreSilence);
  const steps = checkpoints.map((checkpoint) => checkpoint.step);
  if (steps.length > 0 && !steps.includes(step)) throw unknownStepError(step, steps);
}

/** For a provider that does not answer. */
function ignoreSilence(error: unknown): [] {
  if (error instanceof ProtocolError) return [];
  throw error;
}

/**
 * Checks the temporary files, which may exist from an earlier run, and the disk space; the model takes about as much as
 * the decrypted archive.
 */
async function prepareTemporaries({ size }: Task, ...paths: [string, string]): Promise<void> {
  for (const path of paths) await checkOutput(path, { force: true });
  if (size < 1) return; // not delivered
  const [encryptedPath, archivePath] = paths;
  const total = geometryOf(size).encryptedSize + 2 * size;
  const begun = [encryptedPath, partPathOf(encryptedPath), archivePath];
  await ensureDiskSpace(dirname(encryptedPath), total, begun);
}

/** Downloads the encrypted model and acknowledges it, unless already done. @returns the transaction. */
async function receive(
  { client, flags, terminal, environment }: Setting,
  task: Task,
  path: string,
): Promise<string | null> {
  if (!(await holdsDeliverable(path, task))) {
    environment.storageUrl();
    await receiveDelivery({ client, flags, terminal, environment }, task, path);
    terminal.say(`Encrypted model downloaded; every byte matches root ${task.root}.`);
  }
  const current = hasKey(task) ? task : await getTask(client, task);
  if (!awaitsAcknowledgement(current)) return null;
  const result = await acknowledgeTask(client, current, flags, terminal);
  terminal.say("Acknowledged. The provider now publishes the key.");
  return result.dryRun ? null : result.transaction;
}

async function waitForKey(
  { client, terminal, environment }: Setting,
  task: Task,
  timeout: number | undefined,
): Promise<Task> {
  if (hasKey(task)) return task;
  const first = await viewTask(client, await getTask(client, task));
  const stopped = interruptedError("Waiting for the key");
  const view = await untilInterrupted(stopped, (signal) =>
    waitForTask(client, first, { until: "Finished", timeout, signal }, terminal),
  );
  if (view.progress !== "Failed" || view.task.state === "Slashed") return view.task;
  throw failureError(view, environment);
}

/** Shows the next transaction. */
async function planNext({ client, flags, terminal }: Setting, task: Task) {
  if (awaitsAcknowledgement(task)) return acknowledgeTask(client, task, flags, terminal);
  if (task.state === "Revealed") return confirmModel(client, task, flags, terminal);
  terminal.say("Nothing would be sent.");
  return { dryRun: true, transaction: null };
}

const interruptedError = (what: string) =>
  new ProtocolError(
    "declined",
    `${what} was interrupted.`,
    "Run the same command again to resume.",
  );
