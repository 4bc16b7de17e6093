import type { Context } from "mocha";

export const NO_SANDBOX =
  "bubblewrap is not installed, or not allowed here (scripts/install-debian.sh installs it).";

/** Skips a test, or what a hook prepares, and says why: `npm test` repeats the reason at its end. */
export function skip(context: Context, reason: string): never {
  console.log(`      SKIPPED: ${reason}`);
  return context.skip();
}
