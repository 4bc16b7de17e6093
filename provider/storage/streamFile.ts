import { once } from "node:events";
import type { FileHandle } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { readFully } from "../../sdk/storage/files/readFully.ts";

/** Bytes read at once: the 64 KiB of a stream take twice as long per byte. */
const PIECE_BYTES = 256 * 1024;

/** Milliseconds within which a client must receive a piece. */
const PIECE_TIMEOUT_MS = 30_000;

/** Buffers of ended responses, for reuse by later ones. */
const spare: Buffer[] = [];
const MAX_SPARE = 16;

/**
 * Sends bytes `start` to `end` of a file, both inclusive, as the body of a response, and ends it. Reads only as fast as
 * the client receives. Stops if the client disconnects, or needs longer than `timeoutMs` milliseconds for a piece.
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
    // The rest is in the socket's buffer; the timer disconnects a client that never receives it.
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
