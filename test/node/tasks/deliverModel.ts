import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { getBytes, hexlify, toBeHex } from "ethers";
import { createClient } from "../../../sdk/client.ts";
import { deliver, reveal } from "../../../sdk/deliverable/calls.ts";
import { getDelivery } from "../../../sdk/deliverable/getDelivery.ts";
import { sharedBlind } from "../../../sdk/exchange/blind.ts";
import { sealFile } from "../../../sdk/exchange/seal.ts";
import { keyCommit } from "../../../sdk/exchange/segmentKey.ts";
import { parseTaskId } from "../../../sdk/ids.ts";
import { upload } from "../../../sdk/storage/upload.ts";
import { getTaskOrder } from "../../../sdk/task/getTaskOrder.ts";
import { spoilPage } from "../../helpers/spoilPage.ts";
import { fixedBytes, type Market } from "./market.ts";

const KEY = fixedBytes("the provider's share of the key");

export interface DeliveryOptions {
  /** Whether what is delivered is not what was committed to. */
  readonly isSpoiled?: boolean;
}

/** What a provider does between acceptance and delivery, with `model` as its archive. @returns its root. */
export async function deliverModel(
  market: Market,
  task: string,
  model: Uint8Array,
  { isSpoiled = false }: DeliveryOptions = {},
): Promise<string> {
  const id = parseTaskId(task);
  const { rpcUrl, deployment } = market.chain;
  const reader = createClient({ rpcUrl, deployment, storageUrl: "" });
  const { userKey } = await getTaskOrder(reader, { id });
  reader.provider.destroy();
  const plain = join(market.folder, "model.plain");
  const encrypted = join(market.folder, "model.sealed");
  await writeFile(plain, model);
  const u = sharedBlind(getBytes(toBeHex(1, 32)), getBytes(userKey));
  const s = getBytes(KEY);
  const sealed = await sealFile(plain, encrypted, { taskId: id, u, s });
  const { size, contentRoot } = sealed;
  const root = isSpoiled ? await spoilPage(encrypted, 0) : sealed.root;
  await upload(market.env.STORAGE_ENDPOINT!, encrypted);
  const commit = hexlify(keyCommit(s));
  const delivery = { id, size, root, contentRoot, keyCommit: commit, receiptRoot: root };
  await market.act((client) => deliver(client, { delivery }));
  return root;
}

/** Publishes the key to what deliverModel delivered. */
export async function revealKey(market: Market, task: string): Promise<void> {
  await market.act(async (client) => {
    const delivery = (await getDelivery(client, { id: parseTaskId(task) }))!;
    return reveal(client, { ...delivery, key: KEY });
  });
}
