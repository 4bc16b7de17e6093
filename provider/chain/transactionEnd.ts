import type { TransactionReceipt } from "ethers";
import { type Client, requireSigner } from "../../sdk/client.ts";
import { readChain } from "../../sdk/transaction/readChain.ts";
import { ProviderError } from "../errors.ts";
import type { StoredTransaction, TransactionEnd } from "../store/Store.ts";

/** "waiting": mined, but without enough confirmations; "unknown": in no block. */
export type TransactionOutcome = TransactionEnd | "waiting" | "unknown";

export interface FoundTransaction {
  readonly end: TransactionOutcome;
  /** Number of the newest block. */
  readonly head: number;
}

export function hasEnded(outcome: TransactionOutcome): outcome is TransactionEnd {
  return typeof outcome === "object";
}

/** Finds a transaction's receipt, whichever of its versions was mined. */
export async function findTransaction(
  client: Client,
  { nonce, versions }: StoredTransaction,
  confirmations: number,
): Promise<FoundTransaction> {
  const address = await requireSigner(client).getAddress();
  return readChain(client, async () => {
    // The count before the receipts: if this transaction has used its nonce by then, its receipt exists now.
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

/** Whether a mined transaction emitted events. A batched call skips what is not due yet, and may have no effect. */
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
  return new ProviderError(`The transaction for ${effect} is mined but its effect is missing.`, {
    retryable: true,
    hint: "The RPC endpoint is lagging; this will be retried after a pause.",
  });
}

export function unsuccessfulError(effect: string, status: string): ProviderError {
  return new ProviderError(`The transaction for ${effect} was ${status}.`, {
    retryable: true,
    hint: "The task will be read again, and the step retried if it is still due.",
  });
}
