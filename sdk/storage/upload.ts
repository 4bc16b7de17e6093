import { z } from "zod";
import { ProtocolError } from "../errors.ts";
import type { Root } from "../ids.ts";
import { SMALL_ANSWER_BYTES, type StorageAnswer, StorageConnection } from "./connection.ts";
import { inParallel } from "./inParallel.ts";
import { openInput } from "./openInput.ts";
import { readFully } from "./readFully.ts";
import { refusal } from "./refusal.ts";
import { rootOfFile, type SegmentList } from "./root.ts";
import { SEGMENT_BYTES, segmentCount, segmentLength } from "./segment.ts";

/** Milliseconds in which the server may read back a large file that an earlier upload left. */
const SERVER_WORK_LIMIT = 15 * 60_000;

const BINARY = { "content-type": "application/octet-stream" };

const Standing = z.object({
  complete: z.boolean(),
  missing: z.array(z.tuple([z.int().min(0), z.int().min(0)])),
});

export interface TransferOptions {
  readonly signal?: AbortSignal;
  /** Told after every segment how many bytes are across, those of earlier attempts included. */
  readonly onProgress?: (progress: { bytes: number; total: number }) => void;
}

/**
 * Uploads a file, sending only the segments that the storage lacks; run again after any
 * interruption, it sends the rest.
 * @returns the root, the size and the bytes sent by this call.
 * @throws ProtocolError "usage" for a bad path or a file over the storage's limits, "integrity"
 * when the file changes meanwhile, "network" otherwise; the signal's reason when aborted.
 */
export async function upload(
  storageUrl: string,
  filePath: string,
  { signal, onProgress }: TransferOptions = {},
): Promise<{ root: Root; size: number; sent: number }> {
  const storage = new StorageConnection(storageUrl);
  try {
    const list = await rootOfFile(filePath, signal);
    const { root, size } = list;
    const missing = await begin(storage, list, signal);
    const total = bytesOf(missing, size);
    let sent = 0;
    onProgress?.({ bytes: size - total, total: size });
    await sendSegments(storage, filePath, list, missing, signal, (bytes) => {
      sent += bytes;
      onProgress?.({ bytes: size - total + sent, total: size });
    });
    const answer = await storage.request(
      {
        method: "POST",
        path: `uploads/${root}/finish`,
        maxBytes: SMALL_ANSWER_BYTES,
        patience: SERVER_WORK_LIMIT,
      },
      signal,
    );
    if (answer.status !== 200) throw refusal(answer, `to finish the upload of ${filePath}`);
    return { root, size, sent };
  } finally {
    await storage.close();
  }
}

/** Announces the file. @returns the segments that the storage lacks. */
async function begin(
  storage: StorageConnection,
  { root, size, segmentRoots }: SegmentList,
  signal?: AbortSignal,
): Promise<number[]> {
  const answer = await storage.request(
    {
      method: "PUT",
      path: `uploads/${root}?size=${size}`,
      headers: BINARY,
      body: segmentRoots,
      // Every other segment missing makes the longest answer: some 20 bytes for two segments.
      maxBytes: SMALL_ANSWER_BYTES + 16 * segmentCount(size),
      patience: SERVER_WORK_LIMIT,
    },
    signal,
  );
  if (answer.status !== 200) throw refusal(answer, `the upload of ${root}`);
  const missing: number[] = [];
  for (const [first, end] of readStanding(answer).missing) {
    // Only ascending: a strange list cannot name a segment twice.
    const start = Math.max(first, (missing.at(-1) ?? -1) + 1);
    for (let index = start; index < Math.min(end, segmentCount(size)); index++) missing.push(index);
  }
  return missing;
}

function readStanding(answer: StorageAnswer): z.infer<typeof Standing> {
  try {
    return Standing.parse(JSON.parse(answer.body.toString()));
  } catch (cause) {
    throw new ProtocolError(
      "network",
      "The answer is not that of a storage server.",
      "Check the address of the storage.",
      { cause },
    );
  }
}

async function sendSegments(
  storage: StorageConnection,
  filePath: string,
  { root, size }: SegmentList,
  segments: number[],
  signal: AbortSignal | undefined,
  onSent: (bytes: number) => void,
): Promise<void> {
  const { handle } = await openInput(filePath);
  const send = async (index: number, stop: AbortSignal) => {
    const body = Buffer.alloc(segmentLength(index, size));
    await readFully(handle, body, index * SEGMENT_BYTES, filePath);
    const answer = await storage.request(
      {
        method: "PUT",
        path: `uploads/${root}/segments/${index}`,
        headers: BINARY,
        body,
        maxBytes: SMALL_ANSWER_BYTES,
      },
      stop,
    );
    if (answer.status !== 204) throw refusal(answer, `segment ${index} of ${filePath}`);
    onSent(body.length);
  };
  try {
    await inParallel(segments, send, signal);
  } finally {
    await handle.close();
  }
}

function bytesOf(segments: number[], size: number): number {
  return segments.reduce((sum, index) => sum + segmentLength(index, size), 0);
}
