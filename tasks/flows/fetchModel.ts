import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Client } from "../../sdk/client.ts";
import {
  downloadDeliverable,
  holdsDeliverable,
} from "../../sdk/deliverable/downloadDeliverable.ts";
import { modelFormat } from "../../sdk/deliverable/modelFormat.ts";
import { readProvenance } from "../../sdk/deliverable/readProvenance.ts";
import { writeModel } from "../../sdk/deliverable/writeModel.ts";
import { ProtocolError } from "../../sdk/errors.ts";
import { geometryOf } from "../../sdk/exchange/geometry.ts";
import { formatTaskId } from "../../sdk/ids.ts";
import { checkOutput } from "../../sdk/storage/files/checkOutput.ts";
import { ensureDiskSpace } from "../../sdk/storage/files/ensureDiskSpace.ts";
import { partPathOf } from "../../sdk/storage/files/publishFile.ts";
import { getTask } from "../../sdk/task/getTask.ts";
import { readStanding } from "../../sdk/task/readStanding.ts";
import type { Task } from "../../sdk/task/Task.ts";
import type { Environment } from "../Environment.ts";
import { modelName } from "../flags/modelName.ts";
import { outputPath } from "../flags/outputPath.ts";
import { shellWord } from "../terminal/shellWord.ts";
import type { Terminal } from "../terminal/Terminal.ts";
import { failureError, viewTask } from "../terminal/taskView.ts";
import { untilInterrupted } from "../terminal/untilInterrupted.ts";
import { acknowledgeTask, awaitsAcknowledgement } from "./acknowledgeTask.ts";
import { confirmModel } from "./confirmModel.ts";
import { openModel } from "./openModel.ts";
import type { SendingFlags } from "./submit.ts";
import { transfer } from "./transfer.ts";
import { waitForTask } from "./waitForTask.ts";

type Wallet = Client & { readonly address: string };

/** What is to be written, and how long to wait for the key. */
export interface WantedModel {
  /** A file, or a directory to put it in; undefined is `<MODEL-NAME>.tar.zst` here, or a name with the task's id if that one is taken. */
  readonly output: string | undefined;
  /** Of a checkpoint; null for the latest weights. */
  readonly step: number | null;
  /** Milliseconds; undefined waits as long as it takes. */
  readonly timeout: number | undefined;
  /** Replace another file that is there. */
  readonly force: boolean;
}

/** What a command works with besides its flags. */
export interface Setting {
  readonly client: Wallet;
  readonly flags: SendingFlags;
  readonly terminal: Terminal;
  readonly environment: Environment;
}

/**
 * Everything between a delivery and a model on disk, in one flow: download, acknowledge, wait for the key, decrypt and
 * check, confirm, write. Run again after any interruption, it goes on where the last run stopped; what is on chain and
 * on disk says where that was. Misbehaviour is proved on the way.
 */
export async function fetchModel(setting: Setting, found: Task, wanted: WantedModel) {
  const { client, flags, terminal } = setting;
  const id = formatTaskId(found.id);
  const { name, path, stamp, isDone, check } = await findOutput(client, found, wanted);
  const document = { id, path, step: wanted.step };
  if (isDone) {
    terminal.say(`${path} holds this model already.`);
    sayHowToUnpack(terminal, path);
    return { ...document, acknowledged: null, confirmed: null };
  }
  await refuseEnded(setting, found);
  if (flags.dryRun) return planNext(setting, found);

  const encryptedPath = join(dirname(path), `${id}.encrypted`);
  const archivePath = join(dirname(path), `${id}.decrypted`);
  await prepareTemporaries(found, encryptedPath, archivePath);
  const acknowledged = await receive(setting, found, encryptedPath);
  const task = await waitForKey(setting, found, wanted.timeout);
  const places = { encryptedPath, outputPath: archivePath };
  await openModel(client, task, places, flags, terminal);
  terminal.say("Decrypted: every page is what the provider committed to.");
  const { transaction } = await confirmModel(client, task, flags, terminal);
  await check(); // the key may have taken days
  await untilInterrupted(interruptedError("The writing"), (signal) =>
    writeModel(archivePath, path, { name, step: wanted.step, stamp, signal }),
  );
  for (const temporary of [archivePath, encryptedPath]) await rm(temporary, { force: true });
  terminal.say(`Model written to ${path}.`);
  sayHowToUnpack(terminal, path);
  return { ...document, acknowledged, confirmed: transaction };
}

/**
 * Finds the file that a task's model will be written to.
 * @throws ProtocolError "usage" when something else is there, or its ending is not one of a model.
 */
export async function findOutput(client: Client, task: Task, wanted: WantedModel) {
  const { output, step, force } = wanted;
  const id = formatTaskId(task.id);
  const name = await modelName(client, task);
  const stamp = `anneal ${id} ${step ?? "latest"}`;
  const typed = await outputPath(output, { name, id, step, stamp });
  modelFormat(typed);
  const isResult = async (place: string) => (await readProvenance(place)) === stamp;
  const check = () => checkOutput(typed, { force, isResult });
  return { name, stamp, check, ...(await check()) };
}

/** A task from which no key can come has no model to fetch. */
async function refuseEnded({ client, environment }: Setting, task: Task): Promise<void> {
  if ((await readStanding(client, task)).failure === null) return;
  throw failureError(await viewTask(client, task), environment);
}

/** The files of the way may be left from an earlier run; the model takes about as much room as the decrypted archive. */
async function prepareTemporaries({ size }: Task, ...paths: [string, string]): Promise<void> {
  for (const path of paths) await checkOutput(path, { force: true });
  if (size < 1) return; // nothing is delivered
  const [encryptedPath, archivePath] = paths;
  const total = geometryOf(size).encryptedSize + 2 * size;
  const begun = [encryptedPath, partPathOf(encryptedPath), archivePath];
  await ensureDiskSpace(dirname(encryptedPath), total, begun);
}

/** Downloads the encrypted model and acknowledges it, where that was not done before. @returns the transaction. */
async function receive(
  { client, flags, terminal, environment }: Setting,
  task: Task,
  path: string,
): Promise<string | null> {
  if (!(await holdsDeliverable(path, task))) {
    environment.storageUrl();
    await transfer(terminal, "Download", (options) =>
      downloadDeliverable(client, { task, targetPath: path, ...options }),
    );
    terminal.say(`Encrypted model downloaded; every byte matches root ${task.root}.`);
  }
  const current = await getTask(client, task);
  if (!awaitsAcknowledgement(current)) return null;
  const result = await acknowledgeTask(client, current, flags, terminal);
  terminal.say("Acknowledged. The provider now publishes the key.");
  return result.dryRun ? null : result.transaction;
}

async function waitForKey(
  { client, terminal, environment }: Setting,
  { id }: Task,
  timeout: number | undefined,
): Promise<Task> {
  const first = await viewTask(client, await getTask(client, { id }));
  const stopped = interruptedError("Waiting for the key");
  const view = await untilInterrupted(stopped, (signal) =>
    waitForTask(client, first, { until: "Finished", timeout, signal }, terminal),
  );
  if (view.progress !== "Failed" || view.task.state === "Slashed") return view.task;
  throw failureError(view, environment);
}

/** The transaction that would come next. */
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
    "Run the same command again: it goes on where it stopped.",
  );

function sayHowToUnpack(terminal: Terminal, path: string): void {
  const unpack = modelFormat(path) === ".zip" ? "unzip" : "tar -xf";
  terminal.next(`${unpack} ${shellWord(path)}`);
}
