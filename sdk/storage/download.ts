import { dirname } from "node:path";
import { ProtocolError } from "../errors.ts";
import type { Root } from "../ids.ts";
import { ensureDiskSpace } from "./files/ensureDiskSpace.ts";
import { TRANSFERS_AT_ONCE } from "./files/inParallel.ts";
import { PartialFile } from "./files/PartialFile.ts";
import { partPathOf } from "./files/publishFile.ts";
import { fetchRun } from "./transfer/fetchRun.ts";
import { fetchSegmentList } from "./transfer/fetchSegmentList.ts";
import { AdaptiveBatch, RunQueue } from "./transfer/RunQueue.ts";
import { segmentBuffers } from "./transfer/SegmentSink.ts";
import { Source } from "./transfer/Source.ts";
import { storageUrls } from "./transfer/StorageConnection.ts";
import type { TransferOptions } from "./transfer/TransferOptions.ts";
import { parseZeroG } from "./zerog/endpoint.ts";

/** How a download is followed. */
export interface DownloadOptions extends TransferOptions {
  /** Told why a source is asked no more, while others go on. */
  readonly onDropped?: (reason: ProtocolError) => void;
}

/** The content that was downloaded. */
export interface Downloaded {
  /** Bytes. The root fixes them only up to zeros at the end: compare them if it matters. */
  readonly size: number;
}

/**
 * Downloads the content with this root to `targetPath`, which appears only when complete and
 * verified; until then `<targetPath>.part` keeps the verified segments, and a later call fetches
 * only the others.
 * @param storageUrl one address, or several with commas between them: all of them send parts of
 * the content, and who sends anything else is asked no more
 * @throws ProtocolError "not-found" for an unknown root, "integrity" when the servers send
 * anything else than the content, "network" otherwise; the signal's reason when aborted.
 * @example const { size } = await download(client.storageUrl, root, "capitals.jsonl");
 */
export async function download(
  storageUrl: string,
  root: Root,
  targetPath: string,
  { signal, onProgress, onDropped = () => {} }: DownloadOptions = {},
): Promise<Downloaded> {
  const zeroG = parseZeroG(storageUrl);
  if (zeroG) {
    const { downloadFromZeroG } = await import("./zerog/downloadFromZeroG.ts");
    return downloadFromZeroG(zeroG, root, targetPath, { signal, onProgress });
  }
  const broken = new AbortController();
  const stop = signal ? AbortSignal.any([signal, broken.signal]) : broken.signal;
  const onFailed = (reason: ProtocolError) => {
    if (sources.some(({ failure }) => !failure)) onDropped(reason);
  };
  const sources = storageUrls(storageUrl).map((url) => new Source(url, stop, onFailed));
  const part = partPathOf(targetPath);
  const failHere = (error: Error) => {
    broken.abort(writeError(part, error));
    throw broken.signal.reason;
  };
  try {
    const list = await fetchSegmentList(sources, root);
    await ensureDiskSpace(dirname(part), list.size, [part]).catch(failHere);
    const partial = await PartialFile.open(part, list).catch(failHere);
    const keep = keepWithProgress(partial, onProgress, failHere);
    await partial.whileOpen(() => fetchMissing(sources, partial, keep));
    stop.throwIfAborted();
    await partial.publish(targetPath).catch(failHere);
    return { size: list.size };
  } finally {
    for (const source of sources) source.close();
  }
}

type Keep = (index: number, bytes: Uint8Array) => Promise<boolean>;

/** Writes segments and tells how many bytes are there, beginning with those of earlier attempts. */
function keepWithProgress(
  partial: PartialFile,
  onProgress: TransferOptions["onProgress"],
  failHere: (error: Error) => never,
): Keep {
  const total = partial.list.size;
  let bytes = partial.bytes;
  onProgress?.({ bytes, total });
  return async (index, segment) => {
    const isRight = await partial.write(index, segment).catch(failHere);
    if (!isRight) return false;
    bytes += segment.length;
    onProgress?.({ bytes, total });
    return true;
  };
}

/** Shares the missing segments among the sources; what one of them could not bring, the others are asked for. */
async function fetchMissing(
  sources: readonly Source[],
  partial: PartialFile,
  keep: Keep,
): Promise<void> {
  const queue = new RunQueue(partial.missing());
  while (!queue.isEmpty) {
    const left = sources.filter((source) => !source.signal.aborted);
    if (left.length === 0) throw sources.at(-1)!.signal.reason;
    const workers = Math.max(TRANSFERS_AT_ONCE, left.length);
    const drain = (_: unknown, worker: number) =>
      drainQueue(queue, left[worker % left.length]!, partial, keep);
    await Promise.all(Array.from({ length: workers }, drain));
  }
}

/** Fetches run after run from one source, until nothing is left to fetch or it fails. Throws nothing. */
async function drainQueue(
  queue: RunQueue,
  source: Source,
  { list }: PartialFile,
  keep: Keep,
): Promise<void> {
  const ranges = source.connection.ranges(list.root);
  const worker = { source, ranges, buffers: segmentBuffers(), list, keep };
  const batch = new AdaptiveBatch();
  while (!source.signal.aborted) {
    const run = queue.take(batch.segments);
    if (!run) break;
    const start = performance.now();
    try {
      await fetchRun(worker, run);
      batch.took(performance.now() - start);
    } catch (error) {
      if (!source.signal.aborted) source.fail(error);
    } finally {
      queue.putBack(run);
    }
  }
  ranges.close();
}

/** What went wrong on this machine, and not with a source. */
function writeError(path: string, cause: NodeJS.ErrnoException): ProtocolError {
  if (cause instanceof ProtocolError) return cause;
  const isFull = cause.code === "ENOSPC" || cause.code === "EDQUOT";
  return new ProtocolError(
    "unexpected",
    isFull
      ? `The disk is full: ${path} is not complete.`
      : `${path} cannot be written (${cause.code}).`,
    isFull
      ? "Make room there, then try again: it goes on where it stopped."
      : "Check the disk and who may write there, then try again.",
    { cause },
  );
}
