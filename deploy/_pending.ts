import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { getCreateAddress } from "ethers";
import type { EthereumProvider } from "hardhat/types/providers";
import { ProtocolError } from "../sdk/errors.ts";
import { writeAtomically } from "../sdk/storage/files/publishFile.ts";
import type { Recorded } from "./_recorded.ts";

type Provider = Pick<EthereumProvider, "request">;

/** A transaction that was sent and is not in a block yet, as rocketh stores it beside the deployments. */
interface Pending {
  readonly transaction: { readonly hash: string; readonly origin: string };
  readonly partialDeployment?: { readonly deployedBytecode?: string };
}

const PENDING_FILE = ".pending_transactions.json";

/**
 * Forgets the transactions of an interrupted run that the chain will never include, so that they are sent again: the
 * node does not know them, and the deployer has no pending transaction.
 * @returns the hashes that were forgotten.
 * @throws ProtocolError "integrity" if such a transaction has deployed a contract nevertheless.
 */
export async function forgetLost(recorded: Recorded | null, provider: Provider): Promise<string[]> {
  if (!recorded) return [];
  const path = join(recorded.folder, PENDING_FILE);
  const text = await readFile(path, "utf8").catch(() => null);
  if (text === null) return [];
  const all = JSON.parse(text) as Pending[];
  const lost: string[] = [];
  for (const pending of all) {
    if (await isLost(pending, recorded, provider)) lost.push(pending.transaction.hash);
  }
  const kept = all.filter(({ transaction }) => !lost.includes(transaction.hash));
  if (kept.length === 0) await rm(path);
  else if (lost.length > 0) {
    await writeAtomically(path, (temporary) => writeFile(temporary, JSON.stringify(kept, null, 2)));
  }
  return lost;
}

async function isLost(
  { transaction: { hash, origin }, partialDeployment }: Pending,
  { addresses, folder }: Recorded,
  provider: Provider,
): Promise<boolean> {
  const ask = (method: string, ...params: string[]) => provider.request({ method, params });
  if (await ask("eth_getTransactionReceipt", hash)) return false;
  if (await ask("eth_getTransactionByHash", hash)) return false;
  const count = async (block: string) =>
    Number(await ask("eth_getTransactionCount", origin, block));
  const [mined, sent] = [await count("latest"), await count("pending")];
  if (sent > mined) return false; // there is a pending transaction, possibly this one
  if (mined === 0) return true;
  const newest = getCreateAddress({ from: origin, nonce: mined - 1 });
  const isKnown = Object.values(addresses).some(
    (address) => address.toLowerCase() === newest.toLowerCase(),
  );
  const code = (await ask("eth_getCode", newest, "latest")) as string;
  // immutables change the code, but not its length
  if (isKnown || code.length !== partialDeployment?.deployedBytecode?.length) return true;
  throw new ProtocolError(
    "integrity",
    `The node does not know transaction ${hash} of an interrupted deployment, but there is such a contract at ${newest}, which is not in ${folder}.`,
    "Use another endpoint that knows the transaction: sent again, it would deploy a second contract.",
  );
}

/**
 * The same provider, and a promise that rejects if a transaction is not in a block after `timeoutMs` milliseconds: the
 * deployment library itself polls for the receipt without end.
 */
export function watchReceipts(
  provider: Provider,
  timeoutMs: number,
): { provider: Provider; failure: Promise<never> } {
  const { promise: failure, reject } = Promise.withResolvers<never>();
  failure.catch(() => undefined); // the caller races it with the deployment
  const askedSince = new Map<string, number>();
  const request: Provider["request"] = async (call) => {
    if (call.method !== "eth_getTransactionReceipt") return provider.request(call);
    const [hash] = call.params as [string];
    const since = askedSince.get(hash) ?? performance.now();
    askedSince.set(hash, since);
    const receipt = await provider.request(call).catch(() => null);
    if (receipt || performance.now() - since < timeoutMs) return receipt;
    reject(await missing(hash, timeoutMs, provider));
    return new Promise(() => undefined); // ends the polling
  };
  return { provider: { request }, failure };
}

/** The reason why there is no receipt. */
async function missing(hash: string, timeoutMs: number, provider: Provider): Promise<Error> {
  const call = { method: "eth_getTransactionByHash", params: [hash] };
  const found = await provider.request(call).catch(() => undefined);
  const waited = `after ${timeoutMs / 1000} seconds`;
  if (found === null) {
    return new ProtocolError(
      "timed-out",
      `The endpoint accepted transaction ${hash}, but ${waited} does not know it: it was lost.`,
      "Run the same command again, preferably with another endpoint in RPC_ENDPOINT: lost transactions are sent again.",
    );
  }
  return new ProtocolError(
    "timed-out",
    `Transaction ${hash} is not in a block ${waited}.`,
    "Run the same command again: it continues to wait for this transaction, and sends it again only if it is lost.",
  );
}
