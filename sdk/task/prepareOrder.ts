import { getBytes, hexlify } from "ethers";
import { type Client, requireSigner } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { blindRoot, sharedBlind } from "../exchange/blind.ts";
import type { UserKey } from "../exchange/userKey.ts";
import type { Root, TaskId } from "../ids.ts";
import type { OfferedModel } from "../service/OfferedModel.ts";
import { taskIdOf } from "../taskIdOf.ts";
import type { Hyperparameters } from "../training/Hyperparameters.ts";
import { latestBlock } from "../transaction/latestBlock.ts";
import { readChain } from "../transaction/readChain.ts";
import { deriveTaskKey } from "./deriveTaskKey.ts";
import type { TaskOrder } from "./TaskOrder.ts";

/** The inputs of an order. */
export interface OrderOptions extends OfferedModel {
  /** Storage root of the dataset. */
  readonly datasetRoot: Root;
  /** Storage root of the validation dataset. */
  readonly validationRoot?: Root | null;
  /** Units of work; pass the quote's. */
  readonly units: bigint;
  /** Neuron; pass the quote's fee, so that the task never costs more. */
  readonly maxFee: bigint;
  /** The hyper-parameters that the user has set. */
  readonly config: Hyperparameters;
  /**
   * 32 random bytes that take the place of the wallet's signature, for contract wallets and wallets whose signatures are
   * not deterministic. Keep them: without them nobody can open the model. They may serve several tasks.
   */
  readonly taskKey?: Uint8Array | undefined;
  /** Seconds for which the provider may accept the order; default: a day. */
  readonly validFor?: number;
}

const DAY = 86_400;

/** The order for createTask, and the id that the task will have. */
export interface PreparedOrder {
  readonly id: TaskId;
  readonly order: TaskOrder;
}

/**
 * Prepares an order for sending: determines the task's number and id, derives its keys, and writes the configuration in
 * canonical form. Nothing is sent. The id is valid as long as the user creates no other task at this provider.
 * @throws ProtocolError "usage" without a private key, for a wallet whose signatures are not deterministic unless there
 * is a task key, and for invalid hyper-parameters; "integrity" if the provider's key is not a point of the curve.
 * @example
 * const config = { n_epochs: 3, learning_rate: 1e-4 };
 * const { units, fee: maxFee } = quote({ service, model, config, dataSize: 70n });
 * const { id, order } = await prepareOrder(client, {
 *   ...{ service, model, datasetRoot: root, units, maxFee, config },
 * });
 */
export async function prepareOrder(
  client: Client,
  {
    service,
    model,
    datasetRoot,
    validationRoot = null,
    validFor = DAY,
    taskKey,
    ...wanted
  }: OrderOptions,
): Promise<PreparedOrder> {
  const { provider, offer } = service;
  const user = await requireSigner(client).getAddress();
  const [{ timestamp }, nonce] = await Promise.all([
    latestBlock(client),
    readChain(client, () => client.serving.taskCount(user, provider)),
  ]);
  const id = taskIdOf(client, { user, provider, nonce });
  const { secret, publicKey } = await deriveTaskKeyTwice(client, { provider, nonce, taskKey });
  const order: TaskOrder = {
    provider,
    nonce,
    offer,
    validUntil: timestamp + validFor,
    units: wanted.units,
    maxFee: wanted.maxFee,
    modelHash: model.hash,
    datasetRoot,
    validationRoot,
    blindRoot: hexlify(blindRoot(sharedBlind(secret, getBytes(service.encryptionKey)))),
    userKey: hexlify(publicKey),
    config: wanted.config,
  };
  return { id, order };
}

/** A wallet whose signatures are not deterministic could never decrypt the model. */
async function deriveTaskKeyTwice(
  client: Client,
  task: Parameters<typeof deriveTaskKey>[1],
): Promise<UserKey> {
  const first = await deriveTaskKey(client, task);
  const second = await deriveTaskKey(client, task);
  if (hexlify(first.publicKey) === hexlify(second.publicKey)) return first;
  throw new ProtocolError(
    "usage",
    "This wallet's signatures are not deterministic, so it could not decrypt the model.",
    "Use a wallet with a plain private key, or pass a task key.",
    { next: { setting: "privateKey" } },
  );
}
