import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { getCreateAddress } from "ethers";
import type { EthereumProvider } from "hardhat/types/providers";
import { ProtocolError } from "../sdk/errors.ts";
import { writeAtomically } from "../sdk/storage/files/publishFile.ts";
import type { Recorded } from "./_recorded.ts";

type Provider = Pick<EthereumProvider, "request">;

/** A transaction that was sent and not seen in a block, as rocketh keeps it beside the deployments. */
interface Pending {
  readonly transaction: { readonly hash: string; readonly origin: string };
  readonly partialDeployment?: { readonly deployedBytecode?: string };
}

const PENDING_FILE = ".pending_transactions.json";

/**
 * Forgets the transactions of an interrupted run that the chain will never include, so that they are sent again: the
 * node does not know them, and nothing of the deployer is on its way.
 * @returns the hashes that were forgotten.
 * @throws ProtocolError "integrity" when such a transaction has deployed a contract all the same.
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
  if (sent > mined) return false; // something is on its way, maybe this
  if (mined === 0) return true;
  const newest = getCreateAddress({ from: origin, nonce: mined - 1 });
  const isKnown = Object.values(addresses).some(
    (address) => address.toLowerCase() === newest.toLowerCase(),
  );
  const code = (await ask("eth_getCode", newest, "latest")) as string;
  // immutables make the code differ from the compiled one, but not in length
  if (isKnown || code.length !== partialDeployment?.deployedBytecode?.length) return true;
  throw new ProtocolError(
    "integrity",
    `The node does not know transaction ${hash} of an interrupted deployment, and there is such a contract at ${newest} that ${folder} does not name.`,
    "Ask another endpoint, one that knows that transaction: sent again, it would deploy a second contract.",
  );
}

/**
 * The same provider, and the failure that ends a deployment whose transaction is in no block after `timeoutMs`
 * milliseconds: the deployment library itself asks for its receipt without end.
 */
export function watchReceipts(
  provider: Provider,
  timeoutMs: number,
): { provider: Provider; failure: Promise<never> } {
  const { promise: failure, reject } = Promise.withResolvers<never>();
  failure.catch(() => undefined); // it is raced with the deployment
  const askedSince = new Map<string, number>();
  const request: Provider["request"] = async (call) => {
    if (call.method !== "eth_getTransactionReceipt") return provider.request(call);
    const [hash] = call.params as [string];
    const since = askedSince.get(hash) ?? performance.now();
    askedSince.set(hash, since);
    const receipt = await provider.request(call).catch(() => null);
    if (receipt || performance.now() - since < timeoutMs) return receipt;
    reject(await missing(hash, timeoutMs, provider));
    return new Promise(() => undefined); // ends the asking
  };
  return { provider: { request }, failure };
}

/** Why there is no receipt. */
async function missing(hash: string, timeoutMs: number, provider: Provider): Promise<Error> {
  const call = { method: "eth_getTransactionByHash", params: [hash] };
  const found = await provider.request(call).catch(() => undefined);
  const waited = `after ${timeoutMs / 1000} seconds`;
  if (found === null) {
    return new ProtocolError(
      "timed-out",
      `The endpoint accepted transaction ${hash}, and ${waited} does not know it: it was lost.`,
      "Run the same command again, best with another endpoint in RPC_ENDPOINT: what is lost is sent again.",
    );
  }
  return new ProtocolError(
    "timed-out",
    `Transaction ${hash} is in no block ${waited}.`,
    "Run the same command again: it continues to wait for this transaction, and sends it again only if it is lost.",
  );
}
