import { ProtocolError } from "../errors.ts";
import { sleep } from "../platform/index.ts";
import { type Content, openContent } from "./files/content.ts";
import type { SegmentRange } from "./files/PartialFile.ts";
import { rootOfContent } from "./files/rootOfContent.ts";
import { RunQueue } from "./transfer/RunQueue.ts";
import {
  RETRY_WAITS,
  SMALL_ANSWER_BYTES,
  type StorageAnswer,
  StorageConnection,
  storageUrls,
} from "./transfer/StorageConnection.ts";
import { sendRuns } from "./transfer/sendRuns.ts";
import { storageError } from "./transfer/storageError.ts";
import type { Sign, Uploaded, UploadOptions } from "./transfer/TransferOptions.ts";
import type { SegmentList } from "./tree/RootHasher.ts";
import { segmentCount, segmentLength } from "./tree/segment.ts";
import { parseZeroG } from "./zerog/endpoint.ts";

/** Timeout in which the server may read back a large file of an earlier upload. */
const SERVER_TIMEOUT_MS = 15 * 60_000;

const BINARY = { "content-type": "application/octet-stream" };

/**
 * Uploads a file, sending only the segments that the storage lacks, so that a call after an interruption sends the
 * rest. `0g+https://…` is 0G's network.
 * @param storageUrl one URL, or several, comma-separated: the first is used
 * @throws ProtocolError "usage" for a bad path or a file over the storage's limits, "integrity" if the file changes
 * meanwhile, "network" otherwise; the signal's reason if aborted.
 * @example const { root, sent } = await upload(client.storageUrl, "capitals.jsonl");
 */
export async function upload(
  storageUrl: string,
  filePath: string,
  options: UploadOptions = {},
): Promise<Uploaded> {
  const content = await openContent(filePath);
  try {
    return await uploadContent(storageUrl, content, options);
  } finally {
    await content.close();
  }
}

/**
 * Uploads any content like upload; the caller closes it.
 * @throws ProtocolError like upload.
 * @example const { root } = await uploadContent(client.storageUrl, content);
 */
export async function uploadContent(
  storageUrl: string,
  content: Content,
  options: UploadOptions = {},
): Promise<Uploaded> {
  const zeroG = parseZeroG(storageUrl);
  if (zeroG) {
    // Needs the chain library, which takes longer to load than everything else here.
    const { uploadContentToZeroG } = await import("./zerog/uploadToZeroG.ts");
    return uploadContentToZeroG(zeroG, content, options);
  }
  const { signal, onHashed } = options;
  const storage = new StorageConnection(storageUrls(storageUrl)[0]!);
  try {
    const list = await rootOfContent(content, signal, onHashed);
    const { root, size } = list;
    const sent = await sendMissing(storage, content, list, options);
    const answer = await storage.request(
      {
        method: "POST",
        path: `uploads/${root}/finish?size=${size}`,
        maxBytes: SMALL_ANSWER_BYTES,
        timeout: SERVER_TIMEOUT_MS,
      },
      signal,
    );
    if (answer.status !== 200)
      throw storageError(answer, `to finish the upload of ${content.path}`);
    return { root, size, sent };
  } finally {
    storage.close();
  }
}

/**
 * Sends what the storage lacks. If a connection fails, it asks again what is missing, so that nothing is sent twice.
 * @returns the number of bytes that were missing at first.
 */
async function sendMissing(
  storage: StorageConnection,
  content: Content,
  list: SegmentList,
  { signal, onProgress, sign }: UploadOptions,
): Promise<number> {
  const announcement = new Announcement(storage, list, sign);
  let missing = await announcement.send(signal);
  const atFirst = bytesOf(missing, list.size);
  for (let failures = 0; ; ) {
    const left = bytesOf(missing, list.size);
    let bytes = list.size - left;
    onProgress?.({ bytes, total: list.size });
    const failure = await sendRuns(storage, content, list.root, new RunQueue(missing), {
      signal,
      onSent: (length) => {
        bytes += length;
        onProgress?.({ bytes, total: list.size });
      },
    });
    if (failure === null) return atFirst;
    missing = await announcement.send(signal);
    failures = bytesOf(missing, list.size) < left ? 1 : failures + 1;
    const delay = RETRY_WAITS[failures - 1];
    if (delay === undefined) throw storage.unreachable(failure);
    await sleep(delay, signal);
  }
}

/** Announces the file, with a signature once the storage requires one. */
class Announcement {
  readonly #storage: StorageConnection;
  readonly #list: SegmentList;
  readonly #sign: Sign | undefined;
  #isSigned = false;

  constructor(storage: StorageConnection, list: SegmentList, sign: Sign | undefined) {
    this.#storage = storage;
    this.#list = list;
    this.#sign = sign;
  }

  /** @returns the segments that the storage lacks. */
  async send(signal?: AbortSignal): Promise<SegmentRange[]> {
    let answer = await this.#request(signal);
    if (answer.status === 401 && this.#sign && !this.#isSigned) {
      this.#isSigned = true;
      answer = await this.#request(signal);
    }
    const { root, size } = this.#list;
    if (answer.status !== 200) throw storageError(answer, `the upload of ${root}`);
    const missing: SegmentRange[] = [];
    for (const [first, end] of readMissing(answer)) {
      // Must be ascending, so that a segment cannot be listed twice.
      const start = Math.max(first, missing.at(-1)?.[1] ?? 0);
      const stop = Math.min(end, segmentCount(size));
      if (start < stop) missing.push([start, stop]);
    }
    return missing;
  }

  async #request(signal?: AbortSignal): Promise<StorageAnswer> {
    const { root, size, segmentRoots } = this.#list;
    const path = `uploads/${root}?size=${size}`;
    // Signed as the storage sees it, without a path prefix of its URL.
    const claim = this.#isSigned ? await this.#sign?.({ method: "PUT", path: `/${path}` }) : {};
    return this.#storage.request(
      {
        method: "PUT",
        path,
        headers: { ...BINARY, ...claim },
        body: segmentRoots,
        // The answer is longest if every other segment is missing: some 20 bytes per two segments.
        maxBytes: SMALL_ANSWER_BYTES + 16 * segmentCount(size),
        timeout: SERVER_TIMEOUT_MS,
      },
      signal,
    );
  }
}

/** Validates by hand: loading a schema library takes longer than uploading a small file. */
function readMissing(answer: StorageAnswer): SegmentRange[] {
  try {
    const { complete, missing } = JSON.parse(answer.body.toString());
    if (typeof complete === "boolean" && Array.isArray(missing) && missing.every(isRange)) {
      return missing;
    }
  } catch {
    // Not even JSON.
  }
  throw new ProtocolError(
    "network",
    "The answer is not from a storage server.",
    "Check the URL of the storage.",
    { next: { setting: "storageUrl" } },
  );
}

function isRange(value: unknown): value is SegmentRange {
  const isCount = (number: unknown) => Number.isSafeInteger(number) && (number as number) >= 0;
  return Array.isArray(value) && value.length === 2 && value.every(isCount);
}

function bytesOf(ranges: readonly SegmentRange[], size: number): number {
  const bytesIn = ([first, end]: SegmentRange) =>
    (end - first - 1) * segmentLength(first, size) + segmentLength(end - 1, size);
  return ranges.reduce((sum, range) => sum + bytesIn(range), 0);
}
