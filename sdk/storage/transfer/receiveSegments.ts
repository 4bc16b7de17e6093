import type { SegmentRange } from "../files/PartialFile.ts";
import { SEGMENT_BYTES, segmentLength } from "../tree/segment.ts";

/** Milliseconds in which the next segment must have come, or gone. */
export const SEGMENT_TIMEOUT_MS = 60_000;

export interface Receiver {
  /** Size of the whole content. */
  readonly size: number;
  /** Takes one segment. The bytes are valid until it is done; the next segment comes in meanwhile. */
  keep(index: number, bytes: Uint8Array): Promise<void>;
  /** Called when a segment takes longer than `timeout` milliseconds: ends the stream. */
  onSlow(): void;
  readonly timeout?: number;
}

/**
 * Cuts a stream into the segments of a run. When this returns or throws, nothing is being kept any more, and whatever
 * came in whole before a failure was kept. Holds two segments, whatever the stream sends.
 * @returns false when the stream was longer or shorter than the run; what is too long is not read.
 * @throws what the stream or `keep` throws.
 */
export async function receiveSegments(
  stream: AsyncIterable<Uint8Array>,
  [first, end]: SegmentRange,
  { size, keep, onSlow, timeout = SEGMENT_TIMEOUT_MS }: Receiver,
): Promise<boolean> {
  const buffers = [Buffer.alloc(SEGMENT_BYTES), Buffer.alloc(end - first > 1 ? SEGMENT_BYTES : 0)];
  let index = first;
  let filled = 0;
  let keeping = Promise.resolve();
  const timer = setTimeout(onSlow, timeout);
  try {
    for await (const chunk of stream) {
      for (let at = 0; at < chunk.length; ) {
        if (index === end) return false;
        const segment = buffers[(index - first) % 2]!.subarray(0, segmentLength(index, size));
        const piece = chunk.subarray(at, at + segment.length - filled);
        segment.set(piece, filled);
        filled += piece.length;
        at += piece.length;
        if (filled < segment.length) continue;
        await keeping;
        keeping = keep(index, segment);
        keeping.catch(() => {}); // it is awaited later, and must not count as unhandled until then
        timer.refresh();
        index++;
        filled = 0;
      }
    }
  } finally {
    clearTimeout(timer);
    await keeping;
  }
  return index === end;
}
