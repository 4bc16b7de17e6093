import { ProtocolError } from "../../errors.ts";
import type { Root } from "../../ids.ts";
import type { Content } from "../files/content.ts";
import { TRANSFERS_AT_ONCE } from "../files/inParallel.ts";
import type { SegmentRange } from "../files/PartialFile.ts";
import { SEGMENT_BYTES, segmentLength } from "../tree/segment.ts";
import { AdaptiveBatch, type RunQueue } from "./RunQueue.ts";
import { SEGMENT_TIMEOUT_MS } from "./receiveSegments.ts";
import { SMALL_ANSWER_BYTES, type StorageConnection } from "./StorageConnection.ts";
import { storageError } from "./storageError.ts";

interface Sending {
  readonly signal: AbortSignal | undefined;
  /** Called with the number of bytes that the storage has confirmed. */
  readonly onSent: (bytes: number) => void;
}

/**
 * Sends all runs of the queue. @returns null, or the error of a broken connection: the caller then has to ask the
 * storage what it received.
 * @throws ProtocolError if the storage refuses or the content cannot be read; the signal's reason if aborted.
 */
export async function sendRuns(
  storage: StorageConnection,
  content: Content,
  root: Root,
  queue: RunQueue,
  { signal, onSent }: Sending,
): Promise<unknown> {
  const broken = new AbortController();
  const stop = signal ? AbortSignal.any([signal, broken.signal]) : broken.signal;
  const drain = async () => {
    const batch = new AdaptiveBatch();
    const buffer = Buffer.alloc(SEGMENT_BYTES);
    while (!stop.aborted) {
      const run = queue.take(batch.segments);
      if (!run) return;
      const start = performance.now();
      try {
        onSent(await sendRun(storage, content, root, run, buffer, stop));
        batch.took(performance.now() - start);
      } catch (error) {
        broken.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: TRANSFERS_AT_ONCE }, drain));
  signal?.throwIfAborted();
  const { reason } = broken.signal;
  if (reason instanceof ProtocolError) throw reason;
  return reason ?? null;
}

/** Sends one run. @returns its number of bytes. */
async function sendRun(
  storage: StorageConnection,
  content: Content,
  root: Root,
  [first, end]: SegmentRange,
  buffer: Uint8Array,
  signal: AbortSignal,
): Promise<number> {
  const slow = new AbortController();
  const onSlow = () => slow.abort(new Error(`no segment in ${SEGMENT_TIMEOUT_MS / 1000} s`));
  const timer = setTimeout(onSlow, SEGMENT_TIMEOUT_MS);
  let failure: unknown = null;
  async function* segments() {
    for (let index = first; index < end; index++) {
      // One buffer is enough: the next segment is requested when this one has left the process.
      yield await content.read(index, buffer).catch((error) => {
        failure = error;
        throw error;
      });
      timer.refresh();
    }
  }
  const length = (end - first - 1) * SEGMENT_BYTES + segmentLength(end - 1, content.size);
  try {
    const answer = await storage.attempt(
      {
        method: "PUT",
        path: `uploads/${root}/segments/${first}?size=${content.size}`,
        headers: { "content-type": "application/octet-stream", "content-length": `${length}` },
        body: segments(),
        maxBytes: SMALL_ANSWER_BYTES,
        timeout: SEGMENT_TIMEOUT_MS,
      },
      AbortSignal.any([signal, slow.signal]),
    );
    if (answer.status !== 204)
      throw storageError(answer, `segments ${first} to ${end - 1} of ${content.path}`);
    return length;
  } catch (error) {
    throw failure ?? (slow.signal.aborted ? slow.signal.reason : error);
  } finally {
    clearTimeout(timer);
  }
}
