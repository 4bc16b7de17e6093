/**
 * One of our storage operations, in its own process, so that its memory can be measured:
 *
 *   storageOnce.ts root <file>
 *   storageOnce.ts upload <file> <storage URL> [<chain RPC URL>]    (wallet key in ZG_PRIVATE_KEY)
 *   storageOnce.ts download <file> <storage URL> <root>
 *   storageOnce.ts seal <file> <encrypted file>
 *   storageOnce.ts cipher|pages|tree <file>     a part of sealing alone, on one core, without writing
 *
 * Prints one JSON document, as scripts/rivals/storage.mjs does.
 */
import { hash } from "node:crypto";
import { open } from "node:fs/promises";
import { PAGE_BYTES, SEGMENT_PAGES } from "../../sdk/exchange/geometry.ts";
import { PageCipher } from "../../sdk/exchange/PageCipher.ts";
import { sealFile } from "../../sdk/exchange/seal.ts";
import { parseRoot, parseTaskId } from "../../sdk/ids.ts";
import { download } from "../../sdk/storage/download.ts";
import { rootOfFile } from "../../sdk/storage/root.ts";
import type { Payer } from "../../sdk/storage/transfer/TransferOptions.ts";
import { SEGMENT_BYTES, segmentRoot } from "../../sdk/storage/tree/segment.ts";
import { upload } from "../../sdk/storage/upload.ts";
import { measured } from "./measured.ts";

const KEYS = {
  taskId: parseTaskId(`0x${"07".repeat(16)}`),
  u: new Uint8Array(32).fill(1),
  s: new Uint8Array(32).fill(2),
};

const [verb, path, target, other] = process.argv.slice(2) as [string, string, string, string];
const cipher = new PageCipher(KEYS);
const VERBS: Record<string, () => Promise<string>> = {
  root: async () => (await rootOfFile(path)).root,
  upload: async () => (await upload(target, path, { payer })).root,
  download: async () => {
    await download(target, parseRoot(other), path);
    return other;
  },
  seal: async () => (await sealFile(path, target, KEYS)).root,
  cipher: () => forSegments((bytes, index) => cipher.apply(index * SEGMENT_PAGES, bytes)),
  pages: () => forSegments(hashPages),
  tree: () => forSegments((bytes, index) => segmentRoot(bytes, index, (index + 1) * SEGMENT_BYTES)),
};
await measured(VERBS[verb]!);

/** The wallet from the environment, which an upload to 0G's network needs. */
async function payer(): Promise<Payer> {
  const { JsonRpcProvider, Wallet } = await import("ethers");
  const provider = new JsonRpcProvider(other, undefined, { pollingInterval: 50 });
  const wallet = new Wallet(process.env.ZG_PRIVATE_KEY!, provider);
  return {
    chainId: Number((await provider.getNetwork()).chainId),
    provider,
    address: wallet.address,
    submit: async ({ to, data, value }) =>
      (await wallet.sendTransaction({ to, data, value })).wait(),
  };
}

/** Reads a file of whole segments. */
async function forSegments(work: (bytes: Buffer, index: number) => unknown): Promise<string> {
  const file = await open(path);
  const bytes = Buffer.alloc(SEGMENT_BYTES);
  for (let index = 0; (await file.read(bytes, 0, SEGMENT_BYTES)).bytesRead > 0; index++) {
    work(bytes, index);
  }
  await file.close();
  return "";
}

function hashPages(bytes: Buffer): void {
  for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
    hash("sha256", bytes.subarray(at, at + PAGE_BYTES), "buffer");
  }
}
