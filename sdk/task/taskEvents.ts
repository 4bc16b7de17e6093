import { type Log, type LogDescription, zeroPadBytes } from "ethers";
import type { Client } from "../client.ts";
import type { Root, TaskId } from "../ids.ts";
import { blockLogs, missingEventError } from "../transaction/blockLogs.ts";
import { type Delivery, decodeDelivery } from "./Delivery.ts";
import { FAIL_REASONS, type FailReason } from "./FailReason.ts";
import type { Task } from "./Task.ts";
import { decodeOrder, type RecordedOrder } from "./TaskOrder.ts";

const SETTLEMENTS = ["Agreed", "Confirmed", "Finalized"] as const;

/** How a task was settled: at a part of the fee, by the user's confirmation, or after the dispute period. */
export type Settlement = (typeof SETTLEMENTS)[number];

/** The position of an event on chain. */
export interface EventPosition {
  readonly id: TaskId;
  readonly user: string;
  readonly provider: string;
  /** Block of the task's event before this one, demands and answers apart; null for those and for the first. */
  readonly previousBlock: number | null;
  readonly blockNumber: number;
  readonly blockHash: string;
  readonly transactionHash: string;
  /** Position in the block. */
  readonly logIndex: number;
}

/** What happened to a task. Amounts are in neuron, deadlines in unix seconds. */
export type TaskEventBody =
  | {
      readonly name: "TaskCreated";
      readonly fee: bigint;
      readonly order: RecordedOrder;
    }
  | { readonly name: "TaskCancelled" }
  | { readonly name: "TaskAccepted"; readonly bond: bigint; readonly deadline: number }
  | {
      readonly name: "TaskFailed";
      readonly reason: FailReason;
      /** Part of the provider's bond paid to the user; 0 before acceptance. */
      readonly compensation: bigint;
    }
  | { readonly name: "TaskDelivered"; readonly delivery: Delivery; readonly deadline: number }
  | {
      readonly name: "TaskAcknowledged";
      readonly root: Root;
      readonly deadline: number;
      readonly late: boolean;
    }
  | { readonly name: "ChunkDemanded"; readonly index: number; readonly deadline: number }
  | { readonly name: "ChunkAnswered"; readonly index: number; readonly deadline: number }
  | { readonly name: "KeyRevealed"; readonly key: string; readonly deadline: number }
  | { readonly name: "TaskSettled"; readonly paid: bigint; readonly settlement: Settlement }
  | { readonly name: "TaskExpired"; readonly compensation: bigint; readonly burned: bigint }
  | { readonly name: "TaskLapsed"; readonly paid: bigint; readonly deadline: number }
  | {
      readonly name: "TaskSlashed";
      /** Number of the mismatched page in the container. */
      readonly page: bigint;
      readonly compensation: bigint;
      readonly burned: bigint;
    };

/** An event of a task, discriminated by `name`. */
export type TaskEvent = EventPosition & TaskEventBody;

/** A task, with the blocks of its first and its last event. */
export type TaskHistoryParameters = Pick<Task, "id" | "movedBlock">;

/**
 * Reads the events of a task, oldest first, except demands of chunks and answers to them. The task names the block of
 * the last event, and every event that of the one before it, so each request is for one block.
 * @param task as getTask returns it; the events are those up to then
 * @throws ProtocolError "network" if the chain does not answer, or if the node does not show an event.
 * @example
 * const events = await fetchTaskEvents(client, await getTask(client, { id }));
 * const delivered = events.find(({ name }) => name === "TaskDelivered");
 */
export async function fetchTaskEvents(
  client: Client,
  task: TaskHistoryParameters,
): Promise<TaskEvent[]> {
  const events: TaskEvent[] = [];
  for await (const event of walkTaskEvents(client, task)) events.push(event);
  return events.reverse();
}

/** Reads the last event of a task, demands and answers apart, with one request. */
export async function fetchLastTaskEvent(
  client: Client,
  { id, movedBlock: block }: TaskHistoryParameters,
): Promise<TaskEvent> {
  return (await readTaskBlock(client, { id, block })).at(-1)!;
}

/** Yields the events of a task, newest first, with one request per block. */
export async function* walkTaskEvents(
  client: Client,
  { id, movedBlock }: TaskHistoryParameters,
): AsyncGenerator<TaskEvent> {
  for (let block: number | null = movedBlock; block !== null; ) {
    const events = await readTaskBlock(client, { id, block });
    yield* events.toReversed();
    block = events[0]!.previousBlock;
  }
}

/**
 * The events of a task in a block that has some, in order.
 * @throws ProtocolError "network" if the node does not show the first of them.
 */
export async function readTaskBlock(
  client: Client,
  { id, block }: { id: TaskId; block: number },
): Promise<TaskEvent[]> {
  const logs = await blockLogs(client, block, [null, zeroPadBytes(id, 32)]);
  const events = logs.flatMap((log) => decodeTaskEvent(client, log) ?? []).filter(isLinked);
  const [first] = events;
  if (!first || (first.previousBlock !== null && first.previousBlock >= block))
    throw missingEventError(block);
  return events;
}

/** Demands and answers name no block before them, and none names theirs. */
const isLinked = ({ name }: TaskEvent) => name !== "ChunkDemanded" && name !== "ChunkAnswered";

/** Null for events that are not about a task. */
export function decodeTaskEvent(client: Client, log: Log): TaskEvent | null {
  const parsed = client.serving.interface.parseLog(log) as LogDescription | null;
  const body = parsed && decodeBody(parsed);
  if (!body) return null;
  return {
    id: parsed.args.id as TaskId,
    user: parsed.args.user as string,
    provider: parsed.args.provider as string,
    previousBlock: hasPrevious(parsed) ? Number(parsed.args.previous) : null,
    blockNumber: log.blockNumber,
    blockHash: log.blockHash,
    transactionHash: log.transactionHash,
    logIndex: log.index,
    ...body,
  };
}

const hasPrevious = ({ fragment }: LogDescription) =>
  fragment.inputs.some(({ name }) => name === "previous");

/** Undefined for events that are not about a task. */
function decodeBody({ name, args }: LogDescription): TaskEventBody | undefined {
  switch (name) {
    case "TaskCreated":
      return {
        name,
        fee: args.fee,
        order: decodeOrder(args.order),
      };
    case "TaskCancelled":
      return { name };
    case "TaskAccepted":
      return { name, bond: args.bond, deadline: Number(args.deadline) };
    case "TaskFailed":
      return {
        name,
        reason: FAIL_REASONS[Number(args.reason)] ?? "Unspecified",
        compensation: args.compensation,
      };
    case "TaskDelivered":
      return { name, delivery: decodeDelivery(args.delivery), deadline: Number(args.deadline) };
    case "TaskAcknowledged":
      return { name, root: args.root, deadline: Number(args.deadline), late: args.late };
    case "ChunkDemanded":
    case "ChunkAnswered":
      return { name, index: Number(args.index), deadline: Number(args.deadline) };
    case "KeyRevealed":
      return { name, key: args.key, deadline: Number(args.deadline) };
    case "TaskSettled":
      return { name, paid: args.paid, settlement: SETTLEMENTS[Number(args.settlement)]! };
    case "TaskExpired":
      return { name, compensation: args.compensation, burned: args.burned };
    case "TaskLapsed":
      return { name, paid: args.paid, deadline: Number(args.deadline) };
    case "TaskSlashed":
      return { name, page: args.page, compensation: args.compensation, burned: args.burned };
    default:
      return undefined;
  }
}
