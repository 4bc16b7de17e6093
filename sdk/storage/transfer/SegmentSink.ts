import type { SegmentRange } from "../files/PartialFile.ts";
import { SEGMENT_BYTES, segmentLength } from "../tree/segment.ts";
import type { Sink } from "./RangeConnection.ts";

/** Buffers for two segments: one is filled while the other is stored. */
export type SegmentBuffers = readonly [Uint8Array, Uint8Array];

export function segmentBuffers(): SegmentBuffers {
  return [Buffer.alloc(SEGMENT_BYTES), Buffer.alloc(SEGMENT_BYTES)];
}

/** Receives the segments of a run, and stores them one after the other. */
export class SegmentSink implements Sink {
  readonly #size: number;
  readonly #buffers: SegmentBuffers;
  readonly #keep: (index: number, bytes: Uint8Array) => Promise<void>;
  readonly #onRoom: () => void;
  #index: number;
  #filled = 0;
  #full = 0;
  #kept: Promise<void> = Promise.resolve();

  /**
   * @param size of the whole content
   * @param keep stores a segment; its bytes are valid until it resolves
   * @param onRoom called when there is room again
   */
  constructor(
    [first]: SegmentRange,
    size: number,
    buffers: SegmentBuffers,
    keep: (index: number, bytes: Uint8Array) => Promise<void>,
    onRoom: () => void,
  ) {
    this.#index = first;
    this.#size = size;
    this.#buffers = buffers;
    this.#keep = keep;
    this.#onRoom = onRoom;
  }

  /** Resolves when all complete segments are stored. @throws what `keep` throws. */
  get kept(): Promise<void> {
    return this.#kept;
  }

  room(): Uint8Array {
    return this.#segment().subarray(this.#filled);
  }

  took(length: number): boolean {
    this.#filled += length;
    const segment = this.#segment();
    if (this.#filled < segment.length) return true;
    const index = this.#index++;
    this.#filled = 0;
    this.#full++;
    this.#kept = this.#kept.then(async () => {
      await this.#keep(index, segment);
      this.#full--;
      this.#onRoom();
    });
    this.#kept.catch(() => {}); // reported by `kept`
    return this.#full < this.#buffers.length;
  }

  #segment(): Uint8Array {
    return this.#buffers[this.#index % 2]!.subarray(0, segmentLength(this.#index, this.#size));
  }
}
