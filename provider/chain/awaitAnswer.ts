import type { Logger } from "pino";
import { ProtocolError } from "../../sdk/errors.ts";
import { backoff, type Clock } from "../clock.ts";

export interface Asking {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * Asks the chain until it responds.
 * @throws what `ask` throws, if it is not for lack of an answer; the signal's reason if `signal` aborts.
 */
export async function awaitAnswer<T>(
  ask: () => Promise<T>,
  { clock, log, signal }: Asking,
): Promise<T> {
  for (let failures = 0; ; ) {
    signal.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      if (error instanceof ProtocolError && error.code !== "network") throw error;
      failures++;
      log.warn({ err: error }, "waiting for the chain");
      await clock.sleep(backoff(failures), signal);
    }
  }
}
