import { once } from "node:events";
import type { FileHandle } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { readFully } from "../../sdk/storage/files/readFully.ts";

/** Bytes that are read at once: a stream's 64 KiB cost twice as much time per byte. */
const PIECE_BYTES = 256 * 1024;

/** Milliseconds in which a client must have taken in a piece. */
const PIECE_TIMEOUT_MS = 30_000;

/** Buffers of answers that are over, for those to come: a few, for what few clients need at once. */
const spare: Buffer[] = [];
const MAX_SPARE = 16;

/**
 * Sends bytes `start` to `end` of a file, both included, as the body of an answer, and ends it. Reads only as fast as
 * the client takes it in. When the client leaves, or takes longer than `timeoutMs` milliseconds for a piece, it stops.
 */
export async function streamFile(
  file: FileHandle,
  response: ServerResponse,
  start: number,
  end: number,
  timeoutMs = PIECE_TIMEOUT_MS,
): Promise<void> {
  const left = new AbortController();
  response.once("close", () => left.abort());
  if (response.destroyed) left.abort(); // while the file was opened
  const timer = setTimeout(() => response.destroy(), timeoutMs);
  const buffers = [takeBuffer(), takeBuffer()];
  try {
    let drained: Promise<unknown> = Promise.resolve();
    for (let at = start, turn = 0; at <= end && !left.signal.aborted; turn++) {
      const piece = buffers[turn % 2]!.subarray(0, Math.min(PIECE_BYTES, end + 1 - at));
      await readFully(file, piece, at, "the file");
      await drained;
      timer.refresh();
      if (!response.write(piece)) drained = once(response, "drain", { signal: left.signal });
      drained.catch(() => {}); // it may fail while the next piece is read
      at += piece.length;
    }
    await drained;
    response.end();
  } catch (error) {
    if (!left.signal.aborted) throw error;
  } finally {
    // What is left is in the socket's buffer; who never takes it is cut off by the timer.
    if (response.writableFinished || response.destroyed) clearTimeout(timer);
    else response.once("close", () => clearTimeout(timer));
    if (response.writableFinished || response.destroyed) giveBack(buffers);
    else response.once("close", () => giveBack(buffers));
  }
}

function takeBuffer(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
}

function giveBack(buffers: readonly Buffer[]): void {
  for (const buffer of buffers) if (spare.length < MAX_SPARE) spare.push(buffer);
}
