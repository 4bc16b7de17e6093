import { AbiCoder, dataSlice, keccak256 } from "ethers";
import type { TaskId } from "./ids.ts";

/** The contract that a task is in. */
export interface TaskContract {
  readonly chainId: number;
  readonly servingAddress: string;
}

/** What identifies a task. */
export interface TaskIdParameters {
  /** Address of the user. */
  readonly user: string;
  /** Address of the provider. */
  readonly provider: string;
  /** The number of the user's tasks at this provider before it. */
  readonly nonce: bigint;
}

const TYPES = ["uint256", "address", "address", "address", "uint256"];

/**
 * Computes the id of a task without a request, as the contract does, whether the task exists or not.
 * @example const first = taskIdOf(client, { user, provider, nonce: 0n });
 */
export function taskIdOf(
  { chainId, servingAddress }: TaskContract,
  { user, provider, nonce }: TaskIdParameters,
): TaskId {
  const parts = [chainId, servingAddress, user, provider, nonce];
  return dataSlice(keccak256(AbiCoder.defaultAbiCoder().encode(TYPES, parts)), 0, 16) as TaskId;
}
