import type { TransactionReceipt } from "ethers";
import { type Client, requireSigner } from "../../sdk/client.ts";
import { readChain } from "../../sdk/transaction/readChain.ts";
import { ProviderError } from "../errors.ts";
import type { StoredTransaction, TransactionEnd } from "../store/Store.ts";

/** "waiting": in a block that is not deep enough; "unknown": in no block. */
export type TransactionOutcome = TransactionEnd | "waiting" | "unknown";

export interface FoundTransaction {
  readonly end: TransactionOutcome;
  /** Number of the newest block. */
  readonly head: number;
}

export function hasEnded(outcome: TransactionOutcome): outcome is TransactionEnd {
  return typeof outcome === "object";
}

/** Looks for a transaction's receipt, whichever of its versions was mined. */
export async function findTransaction(
  client: Client,
  { nonce, versions }: StoredTransaction,
  confirmations: number,
): Promise<FoundTransaction> {
  const address = await requireSigner(client).getAddress();
  return readChain(client, async () => {
    // The count before the receipts: a nonce that was used by then has a receipt now, if it was ours.
    const used = await client.provider.getTransactionCount(address, "latest");
    const head = await client.provider.getBlockNumber();
    for (const { hash } of versions) {
      const receipt = await client.provider.getTransactionReceipt(hash);
      if (!receipt) continue;
      const isDeep = head - receipt.blockNumber >= confirmations;
      return { end: isDeep ? readReceipt(receipt) : "waiting", head };
    }
    return { end: used > nonce ? { status: "lost" } : "unknown", head };
  });
}

/** A batched verb passes over what is not due yet, and so can be mined without doing anything. */
export async function hadEffect(client: Client, { versions }: StoredTransaction): Promise<boolean> {
  const receipts = await readChain(client, () =>
    Promise.all(versions.map(({ hash }) => client.provider.getTransactionReceipt(hash))),
  );
  return receipts.some((receipt) => receipt !== null && receipt.logs.length > 0);
}

function readReceipt({ status, blockNumber }: TransactionReceipt): TransactionEnd {
  return { status: status === 1 ? "mined" : "reverted", blockNumber };
}

export function contradictionError(effect: string): ProviderError {
  return new ProviderError(`The transaction for ${effect} is mined and its effect is not there.`, {
    retryable: true,
    hint: "The RPC endpoint lags behind; it is asked again after a pause.",
  });
}

export function unsuccessfulError(effect: string, status: string): ProviderError {
  return new ProviderError(`The transaction for ${effect} was ${status}.`, {
    retryable: true,
    hint: "The task is read again, and the step is taken again if it is still due.",
  });
}
