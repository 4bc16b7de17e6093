import { type Client, requireSigner } from "../client.ts";
import type { TaskId } from "../ids.ts";
import { SETTLE_CANCELLED, signingDomain } from "../service/typedData.ts";

/** A user's consent to end a running task at a part of its fee. */
export interface SettlementConsent {
  readonly id: TaskId;
  /** Neuron of the fee that go to the provider; the rest is released. */
  readonly amount: bigint;
  /** Unix seconds by the chain's clock until which the consent holds. */
  readonly deadline: number;
  /** The user's EIP-712 signature, 65 bytes as 0x-hex. */
  readonly signature: string;
}

/** Signs the consent with the user's key. It goes to the provider, who sends it with settleCancelled. */
export async function consentToSettlement(
  client: Client,
  terms: Omit<SettlementConsent, "signature">,
): Promise<SettlementConsent> {
  const { id, amount, deadline } = terms;
  const signature = await requireSigner(client).signTypedData(
    signingDomain(client),
    SETTLE_CANCELLED,
    { id, amount, deadline },
  );
  return { id, amount, deadline, signature };
}
