import type { Context } from "mocha";

export const NO_SANDBOX =
  "bubblewrap is not installed, or not allowed here (scripts/install-debian.sh installs it).";

/** Skips a test, or the tests of a hook, and gives the reason, which `npm test` repeats at its end. */
export function skip(context: Context, reason: string): never {
  console.log(`      SKIPPED: ${reason}`);
  return context.skip();
}
