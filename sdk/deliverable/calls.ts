import type { Client } from "../client.ts";
import type { ChunkProof } from "../exchange/chunkProof.ts";
import type { MisbehaviourProof } from "../exchange/misbehaviourProof.ts";
import type { Root, TaskId } from "../ids.ts";
import type { Delivery } from "../task/Delivery.ts";
import { servingCall } from "../transaction/buildCall.ts";
import type { Call } from "../transaction/Call.ts";

/** Verbs that are a single contract call. */

export interface DeliverParameters {
  readonly delivery: Delivery;
}

export interface AcknowledgeParameters {
  readonly id: TaskId;
  /** Storage root of the encrypted model. */
  readonly root: Root;
}

export interface DemandChunkParameters {
  readonly id: TaskId;
  /** Number of the chunk, of 256 bytes, in the encrypted model. */
  readonly index: number;
}

export interface AnswerChunkParameters extends ChunkProof {
  readonly id: TaskId;
}

export interface DeliverableParameters {
  readonly id: TaskId;
}

export interface FinalizeParameters {
  readonly ids: readonly TaskId[];
}

export interface ProveMisbehaviourParameters {
  readonly id: TaskId;
  readonly proof: MisbehaviourProof;
}

/** The key that `reveal` publishes, and the openings of the commitment on chain; each 32 bytes as 0x-hex. */
export interface RevealParameters {
  readonly id: TaskId;
  /** s, whose hash was committed to in the delivery. */
  readonly key: string;
  /** From the order. */
  readonly blindRoot: string;
  /** From the delivery. */
  readonly contentRoot: string;
}

/**
 * Posts the deliverable as the provider's operator: once, before the training deadline.
 * @example await send(client, deliver(client, { delivery }));
 */
export function deliver(client: Client, { delivery }: DeliverParameters): Call {
  return servingCall(client, "deliver", [delivery]);
}

/**
 * Demands a chunk of a delivery as the user who cannot download it: the provider has to answer with it in time, or the
 * task expires.
 * @example await send(client, demandChunk(client, { id, index: 7 }));
 */
export function demandChunk(client: Client, { id, index }: DemandChunkParameters): Call {
  return servingCall(client, "demandChunk", [id, index]);
}

/**
 * Answers a demand as the provider's operator.
 * @example await send(client, answerChunk(client, { id, ...chunkProof }));
 */
export function answerChunk(client: Client, { id, chunk, path }: AnswerChunkParameters): Call {
  return servingCall(client, "answerChunk", [id, chunk, [...path]]);
}

/**
 * Confirms as the user that exactly the encrypted model at `root` has arrived.
 * @example await send(client, acknowledge(client, { id, root }));
 */
export function acknowledge(client: Client, { id, root }: AcknowledgeParameters): Call {
  return servingCall(client, "acknowledge", [id, root]);
}

/**
 * Publishes the key as the provider.
 * @example await send(client, reveal(client, { id, key, blindRoot, contentRoot }));
 */
export function reveal(
  client: Client,
  { id, key, blindRoot, contentRoot }: RevealParameters,
): Call {
  return servingCall(client, "reveal", [id, key, blindRoot, contentRoot]);
}

/**
 * Confirms as the user that the model decrypts to what was committed to; pays the provider.
 * @example await send(client, confirm(client, { id }));
 */
export function confirm(client: Client, { id }: DeliverableParameters): Call {
  return servingCall(client, "confirm", [id]);
}

/**
 * Proves as the user, until the dispute deadline, that a page is not what the provider committed to: the user gets the
 * fee and half of the bond.
 * @example await send(client, proveMisbehaviour(client, { id, proof }));
 */
export function proveMisbehaviour(
  client: Client,
  { id, proof }: ProveMisbehaviourParameters,
): Call {
  return servingCall(client, "proveMisbehaviour", [id, proof]);
}

/**
 * Ends a task whose provider missed the training or the reveal deadline. Anyone may call it.
 * @example await send(client, expire(client, { id }));
 */
export function expire(client: Client, { id }: DeliverableParameters): Call {
  return servingCall(client, "expire", [id]);
}

/**
 * Ends a delivered task that its user did not acknowledge in time. Anyone may call it.
 * @example await send(client, lapse(client, { id }));
 */
export function lapse(client: Client, { id }: DeliverableParameters): Call {
  return servingCall(client, "lapse", [id]);
}

/**
 * Pays the providers of tasks whose dispute period has ended. Tasks that are not due are skipped. Anyone may call it.
 * @example await send(client, finalize(client, { ids: [id] }));
 */
export function finalize(client: Client, { ids }: FinalizeParameters): Call {
  return servingCall(client, "finalize", [ids]);
}
