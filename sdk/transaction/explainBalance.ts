import { type Client, requireSigner } from "../client.ts";
import { ProtocolError } from "../errors.ts";
import { readNodeError } from "../rpc/nodeErrors.ts";
import { formatOg } from "../units.ts";

/** An error about a wallet that cannot pay for a transaction with its address and balance; any other error unchanged. */
export async function explainBalance(client: Client, error: unknown): Promise<unknown> {
  if (!(error instanceof ProtocolError)) return error;
  if (readNodeError(error.cause)?.kind !== "insufficient-funds") return error;
  const address = await requireSigner(client).getAddress();
  const balance = await client.provider.getBalance(address).catch(() => null);
  if (balance === null) return error;
  return new ProtocolError(
    error.code,
    `The wallet ${address} has ${formatOg(balance)} OG, too little for the amount and the gas of this transaction.`,
    error.hint,
    { cause: error },
  );
}
