import { ProtocolError } from "../../errors.ts";
import { sleep } from "../../platform/index.ts";
import type { SegmentRange } from "../files/PartialFile.ts";
import type { SegmentList } from "../tree/RootHasher.ts";
import { SEGMENT_BYTES } from "../tree/segment.ts";
import type { AnswerHead, RangeConnection, Sink } from "./RangeConnection.ts";
import { SEGMENT_TIMEOUT_MS } from "./receiveSegments.ts";
import { rootMismatchError } from "./rootMismatchError.ts";
import { type SegmentBuffers, SegmentSink } from "./SegmentSink.ts";
import type { Source } from "./Source.ts";
import { RETRY_WAITS, SMALL_ANSWER_BYTES } from "./StorageConnection.ts";
import { storageError } from "./storageError.ts";

/** The state of one of a download's concurrent workers. */
export interface Worker {
  readonly source: Source;
  readonly ranges: RangeConnection;
  readonly buffers: SegmentBuffers;
  readonly list: SegmentList;
  /** False if the bytes are not that segment. */
  readonly keep: (index: number, bytes: Uint8Array) => Promise<boolean>;
}

/**
 * Fetches the segments of a run, and advances its beginning past each stored segment. If the connection fails, it
 * continues from there after RETRY_WAITS.
 * @throws ProtocolError "integrity" if the server sends anything else, "network" if it no longer answers; the signal's
 * reason if aborted.
 */
export async function fetchRun(worker: Worker, run: SegmentRange): Promise<void> {
  const { connection, signal } = worker.source;
  for (let failures = 0; run[0] < run[1]; ) {
    const [first] = run;
    try {
      await attempt(worker, run);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ProtocolError) throw error;
      failures = run[0] > first ? 1 : failures + 1;
      const delay = RETRY_WAITS[failures - 1];
      if (delay === undefined) throw connection.unreachable(error);
      await sleep(delay, signal);
    }
  }
}

async function attempt(worker: Worker, run: SegmentRange): Promise<void> {
  const { source, ranges, buffers, list } = worker;
  const [first, end] = run;
  const range = [first * SEGMENT_BYTES, Math.min(end * SEGMENT_BYTES, list.size) - 1] as const;
  const broken = new AbortController();
  const slow = () => broken.abort(new Error(`no segment in ${SEGMENT_TIMEOUT_MS / 1000} s`));
  const timer = setTimeout(slow, SEGMENT_TIMEOUT_MS);
  const keep = async (index: number, bytes: Uint8Array) => {
    if (broken.signal.aborted) return; // segments after a wrong one are discarded
    await keepNext(worker, run, index, bytes).catch((error) => broken.abort(error));
    timer.refresh();
  };
  const segments = new SegmentSink(run, list.size, buffers, keep, () => ranges.resume());
  const reason = new ReasonSink();
  const choose = ({ status, length }: AnswerHead) => {
    if (!isContent(status)) return reason.ofLength(length);
    if (length !== range[1] + 1 - range[0])
      throw rootMismatchError(`${list.root} from segment ${first}`);
    return segments;
  };
  try {
    const signal = AbortSignal.any([source.signal, broken.signal]);
    const { status } = await ranges.get(range, choose, signal);
    if (!isContent(status)) {
      throw storageError({ status, body: reason.bytes }, `segment ${first} of ${list.root}`);
    }
  } finally {
    await segments.kept;
    clearTimeout(timer);
  }
  broken.signal.throwIfAborted();
}

/** A server may answer a range that covers the whole file with status 200. */
function isContent(status: number): boolean {
  return status === 206 || status === 200;
}

async function keepNext(
  { list, keep }: Worker,
  run: SegmentRange,
  index: number,
  bytes: Uint8Array,
): Promise<void> {
  if (!(await keep(index, bytes))) throw rootMismatchError(`segment ${index} of ${list.root}`);
  run[0] = index + 1;
}

/** Receives the body of an error answer. */
class ReasonSink implements Sink {
  bytes = Buffer.alloc(0);
  #filled = 0;

  ofLength(length: number): this {
    if (length > SMALL_ANSWER_BYTES) throw new Error("the reason is too long");
    this.bytes = Buffer.alloc(length);
    return this;
  }

  room(): Uint8Array {
    return this.bytes.subarray(this.#filled);
  }

  took(length: number): boolean {
    this.#filled += length;
    return true;
  }
}
