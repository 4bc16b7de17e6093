import { getBytes, hexlify } from "ethers";
import { type Client, requireSigner } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { blindRoot, sharedBlind } from "../exchange/blind.ts";
import { openFile } from "../exchange/open.ts";
import { formatTaskId } from "../ids.ts";
import { deriveTaskKey } from "../task/deriveTaskKey.ts";
import { getTaskOrder, type PlacedOrder } from "../task/getTaskOrder.ts";
import type { Task, TaskState } from "../task/Task.ts";
import { findLogs } from "../transaction/findLogs.ts";
import { readChain } from "../transaction/readChain.ts";

/**
 * Decrypts a downloaded deliverable with the wallet that ordered it. `outputPath` appears only when every page is what
 * the provider committed to.
 * @returns bytes of the decrypted archive.
 * @throws ProtocolError "too-early" before the key is revealed, "usage" for another wallet, PageMismatchError
 * ("integrity") when the bytes are not what was committed to.
 */
export async function openDeliverable(
  client: Client,
  {
    task,
    encryptedPath,
    outputPath,
    signal,
  }: { task: Task; encryptedPath: string; outputPath: string; signal?: AbortSignal },
): Promise<{ size: number }> {
  const { key, contentRoot, size } = task;
  if (key === null || contentRoot === null) throw withoutKey(task);
  await requireUser(client, task);
  const u = await deriveBlind(client, task);
  const keys = { taskId: task.id, u, s: getBytes(key) };
  await openFile(encryptedPath, outputPath, {
    ...keys,
    size,
    contentRoot,
    ...(signal ? { signal } : {}),
  });
  return { size };
}

async function requireUser(client: Client, task: Task): Promise<void> {
  const address = await requireSigner(client).getAddress();
  if (address === task.user) return;
  throw new ProtocolError(
    "usage",
    `Task ${formatTaskId(task.id)} was ordered by ${task.user}, and this wallet is ${address}.`,
    "Set ZG_PRIVATE_KEY to the key of the wallet that ordered it.",
  );
}

/** Derives u again, and knows by blindRoot that it is the one of this task. */
async function deriveBlind(client: Client, task: Task): Promise<Uint8Array> {
  const order = await getTaskOrder(client, { id: task.id });
  const { secret, publicKey } = await deriveTaskKey(client, order);
  if (hexlify(publicKey) === order.userKey) {
    for (const encryptionKey of await encryptionKeys(client, order)) {
      const u = sharedBlind(secret, getBytes(encryptionKey));
      if (hexlify(blindRoot(u)) === task.blindRoot) return u;
    }
  }
  throw new ProtocolError(
    "integrity",
    `This wallet does not derive the key that task ${formatTaskId(task.id)} was ordered with.`,
    "Use the software and the network with which the task was created.",
  );
}

/** The provider's encryption keys up to the order, newest first: he may have changed his key since. */
async function encryptionKeys(client: Client, order: PlacedOrder): Promise<string[]> {
  const { filters, interface: abi } = client.serving;
  const events = [filters.ServiceRegistered, filters.ServiceUpdated];
  return readChain(client, async () => {
    const names = events.map((event) => event.fragment.topicHash);
    const [, provider] = await filters.ServiceRegistered(order.provider).getTopicFilter();
    const logs = await findLogs(client, {
      topics: [names, provider ?? null],
      toBlock: order.blockNumber,
    });
    return logs.reverse().map((log) => abi.parseLog(log)?.args.terms.encryptionKey as string);
  });
}

const NEXT_STEP: Partial<Record<TaskState, (task: Task) => string>> = {
  Created: ({ provider }) => `See where it stands: npx hardhat get-task --provider ${provider}`,
  Accepted: ({ provider }) => `See where it stands: npx hardhat get-task --provider ${provider}`,
  Delivered: acknowledgeFirst,
  Lapsed: acknowledgeFirst,
  Acknowledged: ({ deadline }) =>
    `Try again later: he has until ${new Date(deadline * 1_000).toISOString()}.`,
};

function withoutKey(task: Task): ProtocolError {
  const next = NEXT_STEP[task.state];
  if (next) {
    const message = "The provider has not revealed the key yet.";
    return new ProtocolError("too-early", message, next(task));
  }
  const id = formatTaskId(task.id);
  return new ProtocolError(
    "not-found",
    `Task ${id} ended as ${task.state}: there is no model to decrypt.`,
    `See what happened: npx hardhat get-log --provider ${task.provider} --task ${id}`,
  );
}

function acknowledgeFirst({ provider }: Task): string {
  return `Acknowledge the model first: npx hardhat acknowledge-model --provider ${provider} --data-path <file>`;
}
