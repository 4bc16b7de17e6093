import type { TypedDataDomain, TypedDataField } from "ethers";

/** The scope of a signature: one chain and one serving contract. */
export interface SigningScope {
  readonly chainId: number;
  /** Address of FineTuningServing. */
  readonly servingAddress: string;
}

/** The EIP-712 domain of all of Anneal's signatures, on chain and off chain. */
export function signingDomain({ chainId, servingAddress }: SigningScope): TypedDataDomain {
  return {
    name: "Anneal FineTuningServing",
    version: "1",
    chainId,
    verifyingContract: servingAddress,
  };
}

type Types = Record<string, TypedDataField[]>;

/** Signed by the user to derive the key of one task; never sent to anyone. */
export const TASK_KEY: Types = {
  TaskKey: [
    { name: "provider", type: "address" },
    { name: "nonce", type: "uint64" },
  ],
};

/** Signed by the user to derive the key of one encrypted dataset; never sent to anyone. */
export const DATASET_KEY: Types = {
  DatasetKey: [
    { name: "provider", type: "address" },
    { name: "contentHash", type: "bytes32" },
  ],
};

/** Signed by the provider's endpoint to prove that it holds the operator's key. */
export const CHALLENGE: Types = { Challenge: [{ name: "nonce", type: "bytes32" }] };

/** Signed by the user for each request to a provider's API. */
export const REQUEST: Types = {
  Request: [
    { name: "method", type: "string" },
    { name: "path", type: "string" },
    { name: "bodyHash", type: "bytes32" },
    { name: "deadline", type: "uint256" },
    { name: "nonce", type: "bytes32" },
  ],
};

/** Signed by the user to end a running task for a part of its fee; verified by the contract. */
export const SETTLE_CANCELLED: Types = {
  SettleCancelled: [
    { name: "id", type: "bytes16" },
    { name: "amount", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
};
