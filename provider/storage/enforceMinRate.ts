import type { IncomingMessage, ServerResponse } from "node:http";

/** Least bytes per second of a request body. Anything slower is not a slow connection but a client that stalls. */
const MIN_RATE = 4096;

/** Milliseconds over which a rate is averaged. */
const RATE_WINDOW = 10_000;

/** Calls `onSlow` if the body of a request arrives slower than MIN_RATE while this side is ready to read. */
export function enforceMinRate(
  request: IncomingMessage,
  response: ServerResponse,
  onSlow: () => void,
  windowMs = RATE_WINDOW,
): void {
  const { socket } = request;
  let before = socket.bytesRead;
  const timer = setInterval(() => {
    const received = socket.bytesRead - before;
    before = socket.bytesRead;
    if (request.complete || socket.destroyed) {
      clearInterval(timer);
      return;
    }
    // If received data has not been read yet, this side is the slow one.
    const isReading = request.readableLength === 0;
    if (isReading && received < (MIN_RATE * windowMs) / 1000) {
      clearInterval(timer);
      onSlow();
    }
  }, windowMs);
  // The response may end before the body is read.
  response.once("close", () => clearInterval(timer));
}
