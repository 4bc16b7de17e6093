import type { SegmentRange } from "../files/PartialFile.ts";
import { SEGMENT_BYTES, segmentLength } from "../tree/segment.ts";
import type { Sink } from "./RangeConnection.ts";

/** Two segments: one is filled while the other is kept. */
export type SegmentBuffers = readonly [Uint8Array, Uint8Array];

export function segmentBuffers(): SegmentBuffers {
  return [Buffer.alloc(SEGMENT_BYTES), Buffer.alloc(SEGMENT_BYTES)];
}

/** Takes in the segments of a run, and keeps them one after the other. */
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
   * @param keep its bytes are valid until it is done
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

  /** Done when everything that came in whole is kept. @throws what `keep` throws. */
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
    this.#kept.catch(() => {}); // whoever waits for it hears of it
    return this.#full < this.#buffers.length;
  }

  #segment(): Uint8Array {
    return this.#buffers[this.#index % 2]!.subarray(0, segmentLength(this.#index, this.#size));
  }
}
