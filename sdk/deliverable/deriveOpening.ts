import { getBytes, hexlify, zeroPadValue } from "ethers";
import { type Client, requireSigner } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { blindRoot, sharedBlind } from "../exchange/blind.ts";
import { commitment } from "../exchange/commitment.ts";
import { type ExchangeKeys, keyCommit } from "../exchange/segmentKey.ts";
import { formatTaskId } from "../ids.ts";
import type { NextAction } from "../NextAction.ts";
import type { Service } from "../service/Service.ts";
import type { Delivery } from "../task/Delivery.ts";
import { deriveTaskKey } from "../task/deriveTaskKey.ts";
import type { Task } from "../task/Task.ts";
import { taskIdOf } from "../taskIdOf.ts";
import type { TaskState } from "../taskStates.ts";
import { blockLogs, missingEventError } from "../transaction/blockLogs.ts";
import { readDelivery } from "./getDelivery.ts";

/** The keys of a deliverable, and the commitment that it is verified against. */
export interface Opening extends ExchangeKeys {
  /** Bytes of the plaintext archive. */
  readonly size: number;
  /** SHA-256 of the container's top page, 0x-hex. */
  readonly contentRoot: string;
}

interface ToOpen {
  readonly task: Task;
  /** The task key that it was ordered with, if it was. */
  readonly taskKey?: Uint8Array | undefined;
  /** The provider's service, if it was read: its encryption key is the order's unless its offer has changed since. */
  readonly service?: Service | null;
}

/**
 * Combines the on-chain data of a deliverable with the secret that only the wallet that ordered it can derive, or the
 * holder of its task key.
 * @throws ProtocolError "too-early" before the key is revealed, "not-found" if the task ended without one,
 * "task-failed-by-provider" if misbehaviour was proved, "usage" for another wallet, "integrity" if this software does
 * not derive the key of the order.
 */
export async function deriveOpening(
  client: Client,
  { task, taskKey, service = null }: ToOpen,
): Promise<Opening> {
  const delivery = await readDelivery(client, task);
  if (delivery === null || delivery.key === null || task.state === "Slashed") {
    throw nothingToOpenError(task);
  }
  if (!taskKey) await requireUser(client, task);
  const s = getBytes(delivery.key);
  if (hexlify(keyCommit(s)) !== delivery.keyCommit) throw missingEventError(task.movedBlock);
  const u = await deriveBlind(client, { task, delivery, service, taskKey });
  const { size, contentRoot } = delivery;
  return { taskId: task.id, u, s, size, contentRoot };
}

async function requireUser(client: Client, task: Task): Promise<void> {
  const address = await requireSigner(client).getAddress();
  if (address === task.user) return;
  throw new ProtocolError(
    "usage",
    `Task ${formatTaskId(task.id)} was ordered by ${task.user}, but this wallet is ${address}.`,
    "Use the key of the wallet that ordered it.",
    { next: { setting: "privateKey" } },
  );
}

/** Derives u again, and checks with the task's commitment that it belongs to this task. */
async function deriveBlind(
  client: Client,
  { task, delivery, service = null, taskKey }: ToOpen & { readonly delivery: Delivery },
): Promise<Uint8Array> {
  const isCurrent = service !== null && service.offer === task.offer;
  const encryptionKey = isCurrent ? service.encryptionKey : await readEncryptionKey(client, task);
  const nonce = numberOf(client, task);
  const { secret } = await deriveTaskKey(client, { ...task, nonce, taskKey });
  const u = sharedBlind(secret, getBytes(encryptionKey));
  const blind = hexlify(blindRoot(u));
  if (commitment({ ...delivery, blindRoot: blind }) === task.exchange) return u;
  throw taskKey ? wrongTaskKeyError(task) : wrongWalletKeyError(task);
}

function wrongTaskKeyError(task: Task): ProtocolError {
  return new ProtocolError(
    "integrity",
    `Task ${formatTaskId(task.id)} was not ordered with this task key.`,
    "Use the task key that it was ordered with; without one if the wallet's signature was used.",
  );
}

function wrongWalletKeyError(task: Task): ProtocolError {
  return new ProtocolError(
    "integrity",
    `The key that this wallet derives is not the one that task ${formatTaskId(task.id)} was ordered with.`,
    "Use the task key, the software version and the network with which the task was created.",
  );
}

/** Far more tasks than a user has at one provider. */
const MAX_NUMBER = 100_000n;

/** The number of a task among those of its user at its provider, found by computing their ids. */
function numberOf(client: Client, { id, user, provider }: Task): bigint {
  for (let nonce = 0n; nonce < MAX_NUMBER; nonce++) {
    if (taskIdOf(client, { user, provider, nonce }) === id) return nonce;
  }
  throw new ProtocolError(
    "integrity",
    `Task ${formatTaskId(id)} is not one of the first ${MAX_NUMBER} of its user at its provider.`,
    "Use the network with which the task was created.",
  );
}

/** The provider's encryption key in the offer of a task: the provider may have changed its key since. */
async function readEncryptionKey(
  client: Client,
  { provider, offer, offerBlock }: Task,
): Promise<string> {
  const { filters, interface: abi } = client.serving;
  const events = [filters.ServiceRegistered, filters.ServiceUpdated];
  const names = events.map((event) => event.fragment.topicHash);
  const logs = await blockLogs(client, offerBlock, [names, zeroPadValue(provider, 32)]);
  const terms = logs
    .map((log) => abi.parseLog(log)!.args)
    .find((args) => Number(args.offer) === offer);
  if (!terms) throw missingEventError(offerBlock);
  return terms.terms.encryptionKey;
}

type Advice = readonly [hint: string, next?: NextAction];

const ADVICE: Partial<Record<TaskState, (task: Task) => Advice>> = {
  Created: seeState,
  Accepted: seeState,
  Delivered: acknowledgeFirst,
  Demanded: acknowledgeFirst,
  Lapsed: acknowledgeFirst,
  Acknowledged: ({ deadline }) => [
    `Try again later: the provider has time until ${new Date(deadline * 1_000).toISOString()}.`,
  ],
};

function nothingToOpenError(task: Task): ProtocolError {
  const advice = ADVICE[task.state];
  if (advice) {
    const message = "The provider has not revealed the key yet.";
    const [hint, next] = advice(task);
    return new ProtocolError("too-early", message, hint, { next });
  }
  const id = formatTaskId(task.id);
  if (task.state === "Slashed") {
    return new ProtocolError(
      "task-failed-by-provider",
      `It was proved that the model of task ${id} is not what the provider committed to.`,
      "The fee and a compensation were returned to your account.",
      { next: { verb: "getAccount" } },
    );
  }
  return new ProtocolError(
    "not-found",
    `Task ${id} ended as ${task.state}: there is no model to decrypt.`,
    "See what happened in the log of the task.",
    { next: { verb: "streamTask", parameters: { id: task.id } } },
  );
}

function seeState({ id }: Task): Advice {
  return ["See the state of the task.", { verb: "getTask", parameters: { id } }];
}

function acknowledgeFirst({ id }: Task): Advice {
  return ["Acknowledge the model first.", { verb: "acknowledge", parameters: { id } }];
}
