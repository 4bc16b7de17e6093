import { ProtocolError } from "../errors.ts";

/** Maximum number of failed reads in a row, network errors apart. */
const MAX_FAILURES = 10;

/**
 * Reads again and again: null is returned for network errors, and for a few other expected errors in a row, as of a node
 * that is behind.
 * @param onFailure called with each error that is tolerated
 */
export function tolerantReader<Known, Seen>(
  read: (known: Known) => Promise<Seen>,
  onFailure?: (error: ProtocolError) => void,
): (known: Known) => Promise<Seen | null> {
  let failures = 0;
  return async (known) => {
    try {
      const seen = await read(known);
      failures = 0;
      return seen;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (error.code !== "network" && ++failures > MAX_FAILURES) throw error;
      onFailure?.(error);
      return null;
    }
  };
}
