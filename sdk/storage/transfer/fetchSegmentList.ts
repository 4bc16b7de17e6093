import { ProtocolError } from "../../errors.ts";
import type { Root } from "../../ids.ts";
import { NODE_BYTES } from "../tree/merkle.ts";
import { rootFromSegments, type SegmentList } from "../tree/RootHasher.ts";
import { paddedSegmentCount } from "../tree/segment.ts";
import { rootMismatchError } from "./rootMismatchError.ts";
import type { Source } from "./Source.ts";
import { SMALL_ANSWER_BYTES } from "./StorageConnection.ts";
import { storageError } from "./storageError.ts";

/** Maximum file size, 256 GiB: its segment list takes 32 MiB of memory. */
const MAX_FILE_BYTES = 2 ** 38;

/**
 * Fetches the segment list, which verifies every segment, from the first source that has it; sources without it fail.
 * @throws if none has it, the first failure that is not "not-found".
 */
export async function fetchSegmentList(
  sources: readonly Source[],
  root: Root,
): Promise<SegmentList> {
  for (const source of sources) {
    try {
      return await fetchFrom(source, root);
    } catch (error) {
      source.signal.throwIfAborted();
      source.fail(error);
    }
  }
  const failures = sources.map(({ failure }) => failure!);
  throw failures.find(({ code }) => code !== "not-found") ?? failures[0]!;
}

async function fetchFrom({ connection, signal }: Source, root: Root): Promise<SegmentList> {
  const path = `blobs/${root}`;
  const question = { method: "HEAD", path, maxBytes: SMALL_ANSWER_BYTES } as const;
  const head = await connection.request(question, signal);
  if (head.status === 404) throw unknownRootError(root);
  if (head.status !== 200) throw storageError(head, `to send ${root}`);
  const size = Number(head.headers["content-length"]);
  if (!Number.isSafeInteger(size) || size < 1 || size > MAX_FILE_BYTES) {
    throw rootMismatchError(`a size for ${root}`);
  }
  const maxBytes = Math.max(SMALL_ANSWER_BYTES, paddedSegmentCount(size) * NODE_BYTES);
  const answer = await connection.request(
    { method: "GET", path: `${path}/segments`, maxBytes },
    signal,
  );
  if (answer.status !== 200) throw storageError(answer, `the segment list of ${root}`);
  if (rootFromSegments(answer.body, size) !== root)
    throw rootMismatchError(`a segment list for ${root}`);
  return { root, segmentRoots: answer.body, size };
}

function unknownRootError(root: Root): ProtocolError {
  return new ProtocolError(
    "not-found",
    `The storage does not have ${root}.`,
    "Check the root hash, and that the upload to this storage is complete.",
  );
}
