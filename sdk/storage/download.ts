import { dirname } from "node:path";
import { ProtocolError } from "../errors.ts";
import { unwritableError } from "../fileErrors.ts";
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

/** Options of download. */
export interface DownloadOptions extends TransferOptions {
  /** Called with the reason when a source is dropped and others continue. */
  readonly onDropped?: (reason: ProtocolError) => void;
}

/** The downloaded content. */
export interface Downloaded {
  /** Size in bytes. The root determines it only up to trailing zeros: compare it if it matters. */
  readonly size: number;
}

/**
 * Downloads the content with this root to `targetPath`, which appears only when complete and verified; until then,
 * `<targetPath>.part` contains the verified segments, and a later call fetches only the others.
 * @param storageUrl one URL, or several, comma-separated: all of them send parts of the content, and one that sends
 * wrong bytes is dropped
 * @throws ProtocolError "not-found" for an unknown root, "integrity" if the servers send anything other than the
 * content, "network" otherwise; the signal's reason if aborted.
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

/** Writes segments and reports the number of bytes so far, including those of earlier attempts. */
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

/** Distributes the missing segments over the sources; what one of them fails to send is requested from the others. */
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

/** Fetches runs from one source until none is left or the source fails. Does not throw. */
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

/** The error if this machine, and not a source, is the cause. */
function writeError(path: string, cause: unknown): ProtocolError {
  return cause instanceof ProtocolError ? cause : unwritableError(path, cause);
}
