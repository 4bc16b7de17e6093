import type { IncomingMessage, ServerResponse } from "node:http";

/** Bytes a second that a body must bring, and an answer must take: less is not a slow line but somebody who waits. */
const MIN_RATE = 4096;

/** Milliseconds over which a rate is averaged. */
const RATE_WINDOW = 10_000;

/** Calls `onSlow` when the body of a request comes in slower than MIN_RATE, while this side is ready to take it. */
export function enforceMinRate(
  request: IncomingMessage,
  response: ServerResponse,
  onSlow: () => void,
  windowMs = RATE_WINDOW,
): void {
  const { socket } = request;
  let before = socket.bytesRead;
  const timer = setInterval(() => {
    const come = socket.bytesRead - before;
    before = socket.bytesRead;
    if (request.complete || socket.destroyed) {
      clearInterval(timer);
      return;
    }
    // What has come and is not read yet says that this side is the slow one.
    const isReading = request.readableLength === 0;
    if (isReading && come < (MIN_RATE * windowMs) / 1000) {
      clearInterval(timer);
      onSlow();
    }
  }, windowMs);
  // It may be answered before its body is read.
  response.once("close", () => clearInterval(timer));
}
