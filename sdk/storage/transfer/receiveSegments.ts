import type { SegmentRange } from "../files/PartialFile.ts";
import { SEGMENT_BYTES, segmentLength } from "../tree/segment.ts";

/** Milliseconds within which the next segment must be received or sent. */
export const SEGMENT_TIMEOUT_MS = 60_000;

export interface Receiver {
  /** Size of the whole content. */
  readonly size: number;
  /** Stores one segment. The bytes are valid until it resolves; the next segment is received meanwhile. */
  keep(index: number, bytes: Uint8Array): Promise<void>;
  /** Called if a segment takes longer than `timeout` milliseconds; ends the stream. */
  onSlow(): void;
  readonly timeout?: number;
}

/**
 * Splits a stream into the segments of a run. When this returns or throws, no segment is still being stored, and all
 * segments that were complete before a failure are stored. Holds two segments in memory, whatever the stream sends.
 * @returns false if the stream is longer or shorter than the run; excess bytes are not read.
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
        keeping.catch(() => {}); // it is awaited later and must not be an unhandled rejection until then
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
