import { concat, keccak256 } from "ethers";

/** The values that a task's `exchange` commits to from the delivery on, 32 bytes each as 0x-hex. */
export interface Committed {
  readonly blindRoot: string;
  readonly contentRoot: string;
  readonly keyCommit: string;
}

/** keccak256(abi.encode(blindRoot, contentRoot, keyCommit)), as the contract computes it. */
export function commitment({ blindRoot, contentRoot, keyCommit }: Committed): string {
  return keccak256(concat([blindRoot, contentRoot, keyCommit]));
}
