import { AssertionError } from "chai";
import { ProtocolError } from "../../sdk/errors.ts";

/** The ProtocolError that `work` rejects with; anything else fails the test. */
export async function rejection(work: Promise<unknown> | (() => unknown)): Promise<ProtocolError> {
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    if (error instanceof ProtocolError) return error;
    throw error;
  }
  throw new AssertionError("It should have failed with a ProtocolError, and it did not fail.");
}
