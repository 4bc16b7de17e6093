import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { getBytes, hexlify } from "ethers";
import { deliver, reveal } from "../../../sdk/deliverable/calls.ts";
import { getDelivery } from "../../../sdk/deliverable/getDelivery.ts";
import { sharedBlind } from "../../../sdk/exchange/blind.ts";
import { sealFile } from "../../../sdk/exchange/seal.ts";
import { keyCommit } from "../../../sdk/exchange/segmentKey.ts";
import { parseTaskId } from "../../../sdk/ids.ts";
import { upload } from "../../../sdk/storage/upload.ts";
import { getTask } from "../../../sdk/task/getTask.ts";
import { getTaskOrder } from "../../../sdk/task/getTaskOrder.ts";
import { send } from "../../../sdk/transaction/send.ts";
import { ENCRYPTION_SECRET } from "../../helpers/MarketFixture.ts";
import { spoilPage } from "../../helpers/spoilPage.ts";
import { type CommandFixture, fixedBytes } from "./CommandFixture.ts";

const KEY = fixedBytes("the provider's share of the key");

export interface DeliveryOptions {
  /** Whether the delivery differs from the commitment. */
  readonly isSpoiled?: boolean;
  /** Neuron of the fee that are not charged. */
  readonly rebate?: bigint;
}

/** The provider's work between acceptance and delivery, with `model` as its archive. @returns its root. */
export async function deliverModel(
  market: CommandFixture,
  task: string,
  model: Uint8Array,
  { isSpoiled = false, rebate = 0n }: DeliveryOptions = {},
): Promise<string> {
  const id = parseTaskId(task);
  const known = await getTask(market.reader, { id });
  const { userKey } = await getTaskOrder(market.reader, known);
  const plain = join(market.folder, "model.plain");
  const encrypted = join(market.folder, "model.sealed");
  await writeFile(plain, model);
  const u = sharedBlind(ENCRYPTION_SECRET, getBytes(userKey));
  const s = getBytes(KEY);
  const sealed = await sealFile(plain, encrypted, { taskId: id, u, s });
  const { size, contentRoot } = sealed;
  const root = isSpoiled ? await spoilPage(encrypted, 0) : sealed.root;
  await upload(market.storageUrl, encrypted);
  const commit = hexlify(keyCommit(s));
  const fee = known.fee - rebate;
  const delivery = { id, size, fee, root, contentRoot, keyCommit: commit, receiptRoot: root };
  await send(market.provider, deliver(market.provider, { delivery }));
  return root;
}

/** Publishes the key of what deliverModel delivered. */
export async function revealKey(market: CommandFixture, task: string): Promise<void> {
  const { provider } = market;
  const known = await getTask(provider, { id: parseTaskId(task) });
  const delivery = (await getDelivery(provider, known))!;
  await send(provider, reveal(provider, { ...delivery, key: KEY }));
}
