import { type Client, requireSigner } from "../client.ts";
import type { TaskId } from "../ids.ts";
import { SETTLE_CANCELLED, signingDomain } from "../service/typedData.ts";

/** The terms on which a running task ends. */
export interface ConsentToSettlementParameters {
  readonly id: TaskId;
  /** Part of the fee that goes to the provider, in neuron; the rest is released. */
  readonly amount: bigint;
  /** Unix seconds by the chain's clock until which the consent is valid. */
  readonly deadline: number;
}

/** A user's consent to end a running task for a part of its fee. */
export interface SettlementConsent extends ConsentToSettlementParameters {
  /** The user's EIP-712 signature as 0x-hex: 65 bytes, or what a contract wallet accepts (ERC-1271). */
  readonly signature: string;
}

/**
 * Signs the consent with the user's key, or in the name of their contract wallet, for the provider to send with settleCancelled.
 * @throws ProtocolError "usage" without a private key.
 * @example
 * const deadline = Math.floor(Date.now() / 1_000) + 600;
 * const consent = await consentToSettlement(client, { id, amount: parseOg("0.01"), deadline });
 */
export async function consentToSettlement(
  client: Client,
  terms: ConsentToSettlementParameters,
): Promise<SettlementConsent> {
  const { id, amount, deadline } = terms;
  const signature = await requireSigner(client).signTypedData(
    signingDomain(client),
    SETTLE_CANCELLED,
    { id, amount, deadline },
  );
  return { id, amount, deadline, signature };
}
