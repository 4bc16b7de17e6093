import { getBytes, hexlify } from "ethers";
import { type Client, requireSigner } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { blindRoot, sharedBlind } from "../exchange/blind.ts";
import type { ExchangeKeys } from "../exchange/segmentKey.ts";
import { formatTaskId } from "../ids.ts";
import type { NextAction } from "../NextAction.ts";
import { deriveTaskKey } from "../task/deriveTaskKey.ts";
import { getTaskOrder, type PlacedOrder } from "../task/getTaskOrder.ts";
import type { Task } from "../task/Task.ts";
import type { TaskState } from "../taskStates.ts";
import { findLogs } from "../transaction/findLogs.ts";
import { readChain } from "../transaction/readChain.ts";
import { getDelivery } from "./getDelivery.ts";

/** What opens a deliverable, and what it is checked against. */
export interface Opening extends ExchangeKeys {
  /** Bytes of the plaintext archive. */
  readonly size: number;
  /** SHA-256 of the container's top page, 0x-hex. */
  readonly contentRoot: string;
}

/**
 * Puts together what the chain says about a deliverable and what only the wallet that ordered it can derive.
 * @throws ProtocolError "too-early" before the key is revealed, "not-found" when the task ended without one,
 * "task-failed-by-provider" when misbehaviour was proved, "usage" for another wallet, "integrity" when this software
 * does not derive the key of the order.
 */
export async function deriveOpening(client: Client, { task }: { task: Task }): Promise<Opening> {
  const delivery = await getDelivery(client, task);
  if (delivery === null || delivery.key === null || task.state === "Slashed") {
    throw nothingToOpenError(task);
  }
  await requireUser(client, task);
  const u = await deriveBlind(client, task);
  const { size, contentRoot, key } = delivery;
  return { taskId: task.id, u, s: getBytes(key), size, contentRoot };
}

async function requireUser(client: Client, task: Task): Promise<void> {
  const address = await requireSigner(client).getAddress();
  if (address === task.user) return;
  throw new ProtocolError(
    "usage",
    `Task ${formatTaskId(task.id)} was ordered by ${task.user}, and this wallet is ${address}.`,
    "Use the key of the wallet that ordered it.",
    { next: { setting: "privateKey" } },
  );
}

/** Derives u again, and knows by blindRoot that it is the one of this task. */
async function deriveBlind(client: Client, task: Task): Promise<Uint8Array> {
  const order = await getTaskOrder(client, { id: task.id });
  const { secret, publicKey } = await deriveTaskKey(client, order);
  if (hexlify(publicKey) === order.userKey) {
    for (const encryptionKey of await encryptionKeys(client, order)) {
      const u = sharedBlind(secret, getBytes(encryptionKey));
      if (hexlify(blindRoot(u)) === order.blindRoot) return u;
    }
  }
  throw new ProtocolError(
    "integrity",
    `This wallet does not derive the key that task ${formatTaskId(task.id)} was ordered with.`,
    "Use the software and the network with which the task was created.",
  );
}

/** The provider's encryption keys up to the order, newest first: it may have changed its key since. */
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

type Advice = readonly [hint: string, next?: NextAction];

const ADVICE: Partial<Record<TaskState, (task: Task) => Advice>> = {
  Created: seeState,
  Accepted: seeState,
  Delivered: acknowledgeFirst,
  Lapsed: acknowledgeFirst,
  Acknowledged: ({ deadline }) => [
    `Try again later: the provider has until ${new Date(deadline * 1_000).toISOString()}.`,
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
      `The model of task ${id} was proved not to be what the provider had committed to.`,
      "The fee and a compensation are back in your account.",
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
