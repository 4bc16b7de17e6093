import type { TaskId } from "../ids.ts";
import { keccak256 } from "../storage/tree/keccak.ts";
import { BLINDS, blindAt } from "./blind.ts";

/** The inputs that the keys of one deliverable are derived from. */
export interface ExchangeKeys {
  readonly taskId: TaskId;
  /** 32 bytes, the shared secret of user and provider (blind.ts). */
  readonly u: Uint8Array;
  /** 32 random bytes, known only to the provider until `reveal` publishes them. */
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

/** keccak256(s), 32 bytes: the commitment of `deliver` that `reveal` is checked against. */
export function keyCommit(s: Uint8Array): Uint8Array {
  return keccak256(s);
}
