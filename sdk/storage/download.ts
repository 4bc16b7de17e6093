import { ProtocolError } from "../errors.ts";
import type { Root } from "../ids.ts";
import { SMALL_ANSWER_BYTES, StorageConnection } from "./connection.ts";
import { inParallel } from "./inParallel.ts";
import { NODE_BYTES } from "./merkle.ts";
import { PartialFile, type SegmentRange } from "./partialFile.ts";
import { refusal } from "./refusal.ts";
import { rootFromSegments, type SegmentList } from "./root.ts";
import { paddedSegmentCount, SEGMENT_BYTES, segmentLength } from "./segment.ts";
import type { TransferOptions } from "./upload.ts";

/** Largest file that is accepted, 256 GiB: its segment list, held in memory, takes 32 MiB. */
const MAX_FILE_BYTES = 2 ** 38;

/**
 * Downloads the content with this root to `targetPath`, which appears only when complete and
 * verified; until then `<targetPath>.part` keeps the verified segments, and a later call fetches
 * only the others.
 * @returns the size. The root fixes it only up to zeros at the end: compare it where it matters.
 * @throws ProtocolError "not-found" for an unknown root, "integrity" when the server sends
 * anything else than the content, "network" otherwise; the signal's reason when aborted.
 */
export async function download(
  storageUrl: string,
  root: Root,
  targetPath: string,
  { signal, onProgress }: TransferOptions = {},
): Promise<{ size: number }> {
  const storage = new StorageConnection(storageUrl);
  try {
    const list = await fetchSegmentList(storage, root, signal);
    const partial = await PartialFile.open(`${targetPath}.part`, list);
    const progress = { bytes: partial.bytes, total: list.size };
    onProgress?.({ ...progress });
    const fetchOne = async (index: number, stop: AbortSignal) => {
      const bytes = await fetchSegment(storage, list, index, stop);
      if (!(await partial.write(index, bytes))) throw lie(`segment ${index} of ${root}`);
      progress.bytes += bytes.length;
      onProgress?.({ ...progress });
    };
    await inParallel(indices(partial.missing()), fetchOne, signal);
    await partial.publish(targetPath);
    return { size: list.size };
  } finally {
    await storage.close();
  }
}

async function fetchSegmentList(
  storage: StorageConnection,
  root: Root,
  signal?: AbortSignal,
): Promise<SegmentList> {
  const path = `blobs/${root}`;
  const head = await storage.request(
    { method: "HEAD", path, maxBytes: SMALL_ANSWER_BYTES },
    signal,
  );
  if (head.status === 404) throw unknownRoot(root);
  if (head.status !== 200) throw refusal(head, `to send ${root}`);
  const size = Number(head.headers["content-length"]);
  if (!Number.isSafeInteger(size) || size < 1 || size > MAX_FILE_BYTES) {
    throw lie(`a size for ${root}`);
  }
  const maxBytes = Math.max(SMALL_ANSWER_BYTES, paddedSegmentCount(size) * NODE_BYTES);
  const answer = await storage.request(
    { method: "GET", path: `${path}/segments`, maxBytes },
    signal,
  );
  if (answer.status !== 200) throw refusal(answer, `the segment list of ${root}`);
  if (rootFromSegments(answer.body, size) !== root) throw lie(`a segment list for ${root}`);
  return { root, segmentRoots: answer.body, size };
}

async function fetchSegment(
  storage: StorageConnection,
  { root, size }: SegmentList,
  index: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const start = index * SEGMENT_BYTES;
  const end = start + segmentLength(index, size) - 1;
  const answer = await storage.request(
    {
      method: "GET",
      path: `blobs/${root}`,
      headers: { range: `bytes=${start}-${end}` },
      maxBytes: SEGMENT_BYTES,
    },
    signal,
  );
  // A server may answer the range of a whole file with the file.
  if (answer.status !== 206 && answer.status !== 200) {
    throw refusal(answer, `segment ${index} of ${root}`);
  }
  return answer.body;
}

function* indices(ranges: SegmentRange[]): Generator<number> {
  for (const [first, end] of ranges) {
    for (let index = first; index < end; index++) yield index;
  }
}

function unknownRoot(root: Root): ProtocolError {
  return new ProtocolError(
    "not-found",
    `The storage does not have ${root}.`,
    "Check the root hash, and that the upload to this storage was finished.",
  );
}

function lie(what: string): ProtocolError {
  return new ProtocolError(
    "integrity",
    `The storage sent ${what} that does not match the root hash.`,
    "Nothing wrong was kept: run the same command with another storage server.",
  );
}
