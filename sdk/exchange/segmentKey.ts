import type { TaskId } from "../ids.ts";
import { keccak256 } from "../storage/tree/keccak.ts";
import { BLINDS, blindAt } from "./blind.ts";

/** Everything that the keys of one deliverable follow from. */
export interface ExchangeKeys {
  readonly taskId: TaskId;
  /** 32 bytes, shared by user and provider only (blind.ts). */
  readonly u: Uint8Array;
  /** 32 random bytes, the provider's until `reveal` publishes them. */
  readonly s: Uint8Array;
}

/** K_r = keccak256("FX1" ‖ taskId ‖ uint32be(r) ‖ u_(r mod BLINDS) ‖ s): 32 bytes, for segment r. */
export function segmentKey({ taskId, u, s }: ExchangeKeys, segment: number): Uint8Array {
  const id = Buffer.from(taskId.slice(2), "hex");
  const number = Buffer.alloc(4);
  number.writeUInt32BE(segment);
  return keccak256(
    Buffer.concat([Buffer.from("FX1"), id, number, blindAt(u, segment % BLINDS), s]),
  );
}

/** keccak256(s), 32 bytes: what `deliver` commits to and `reveal` is checked against. */
export function keyCommit(s: Uint8Array): Uint8Array {
  return keccak256(s);
}
